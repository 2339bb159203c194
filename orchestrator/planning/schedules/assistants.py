"""Teacher assistants (TAKD: Mirzadeh et al., 2020, arXiv:1902.03393, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.planning.schedules.chain import chain_stages
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Assistants


def assistants(
    maker: StageMaker, schedule: Assistants, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``assistants.1`` and so on, then the student."""
    links = {name: f"schedule.path.{number}" for number, name in enumerate(schedule.names)}
    by_all = schedule.taught_by == "all"
    return chain_stages(maker, teachers, links, StageRole.ASSISTANT, by_all=by_all, repeat=repeat)

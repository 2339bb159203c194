"""Generations of one model (BAN: Furlanello et al., 2018, arXiv:1805.04770, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.planning.schedules.chain import chain_stages
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import BornAgain


def born_again(
    maker: StageMaker, schedule: BornAgain, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``generations.1`` and so on, each from new initial weights; the last one is the student."""
    links = dict.fromkeys(schedule.names, "student")
    return chain_stages(maker, schedule, links, StageRole.GENERATION, teachers, repeat)

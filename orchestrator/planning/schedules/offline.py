"""The teachers teach the student."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.planning.schedules.chain import chain_stages
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import Offline


def offline(
    maker: StageMaker, schedule: Offline, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """One stage: a chain without intermediate models."""
    return chain_stages(maker, schedule, {}, StageRole.STUDENT, teachers, repeat)

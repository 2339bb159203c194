"""The student in two stages (FitNets: Romero et al., 2015, arXiv:1412.6550, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.config import FIRST_STAGE
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.schedule_config import TwoStage
from students.specs import StageOutput


def two_stage(
    maker: StageMaker, schedule: TwoStage, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """``first_stage``, then the student, which starts from its weights and keeps the frozen
    layers; the teachers teach both."""
    beginning = maker.student(repeat, FIRST_STAGE)
    first = maker.taught("first_stage", beginning, StageRole.FIRST_STAGE, teachers, repeat)
    yield first
    spec = replace(maker.student(repeat), weights=StageOutput(first.digest), frozen=schedule.freeze)
    yield maker.taught("student", spec, StageRole.STUDENT, teachers, repeat)

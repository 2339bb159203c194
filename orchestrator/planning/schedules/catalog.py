"""The table of schedules by their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.planning.schedules.assistants import assistants
from orchestrator.planning.schedules.born_again import born_again
from orchestrator.planning.schedules.offline import offline
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.stage_maker import StageMaker

_SCHEDULES: Mapping[
    str, Callable[[StageMaker, Any, Sequence[TeacherRef], int], Iterator[Stage]]
] = {
    "offline": offline,
    "assistants": assistants,
    "born_again": born_again,
}


def student_stages(
    maker: StageMaker, teachers: Sequence[TeacherRef], repeat: int
) -> Iterator[Stage]:
    """The stages of the recipe's schedule for one repeat, the student's last. Those before it are
    the same for all repeats."""
    schedule = maker.recipe.schedule
    return _SCHEDULES[schedule.kind](maker, schedule, teachers, repeat)

"""All stages of a recipe: its teachers, the models of its schedule, its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from orchestrator.planning.controls import control_stages
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.planning.thread_allocation import count_crowds


@dataclass(frozen=True)
class RecipeStages:
    """Puts the stages of ``maker``'s recipe together; the student is trained with ``repeats``
    seeds."""

    maker: StageMaker
    repeats: int = 1

    @cached_property
    def teachers(self) -> dict[str, Stage]:
        """The stage of each teacher, by the teacher's name."""
        return {name: self.maker.teacher(name) for name in self.maker.recipe.teachers}

    @cached_property
    def refs(self) -> tuple[TeacherRef, ...]:
        """The teachers, once their stages are done."""
        return tuple(self.maker.ref(name, stage) for name, stage in self.teachers.items())

    def whole(self, of_repeat: Callable[[int], Iterable[Stage]]) -> list[Stage]:
        """All stages, each with its crowd. ``of_repeat`` gives those of the schedule for one
        repeat, the student's last; those that all repeats share count once."""
        stages = {stage.title: stage for stage in self._in_order(of_repeat)}
        taken = [output for stage in stages.values() for output in stage.references()]
        teachers = [stage.leaving(taken) for stage in self.teachers.values()]
        return count_crowds([*teachers, *stages.values()])

    def _in_order(self, of_repeat: Callable[[int], Iterable[Stage]]) -> Iterator[Stage]:
        for repeat in range(self.repeats):
            of_schedule = [*of_repeat(repeat)]
            yield from of_schedule
            yield from control_stages(self.maker, of_schedule[-1], self.refs)

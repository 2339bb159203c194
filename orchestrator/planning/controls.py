"""The controls: students that are trained for comparison with the recipe's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.planning.thread_allocation import count_crowds
from students.models.config import Weights
from students.objectives.cross_entropy import Task
from students.specs import StageOutput

LABEL_SMOOTHING = 0.1
"""The control's smoothing, the usual value (Szegedy et al., 2016)."""

UNTAUGHT = "untaught"
"""The control that is trained on labels alone."""


def control_stages(
    maker: StageMaker, student: Stage, teachers: Sequence[TeacherRef]
) -> Iterator[Stage]:
    """The controls of ``student`` that the recipe names."""
    controls, repeat = maker.recipe.controls, student.repeat
    tasks = {
        UNTAUGHT: Task(weight=1.0),
        "label_smoothing": Task(weight=1.0, label_smoothing=LABEL_SMOOTHING),
    }
    spec = maker.student(repeat)
    for name, task in tasks.items():
        if name in controls:
            yield _without_teachers(student, spec.weights, name, task)
    if "single_teachers" in controls:
        for ref in teachers:
            path = f"controls.single_teachers.{ref.name}"
            alone = replace(spec, path=path)
            yield maker.taught_by_one(path, alone, StageRole.CONTROL, ref, repeat)
    if "direct" in controls:
        path = "controls.direct"
        direct = replace(spec, path=path)
        yield maker.taught(path, direct, StageRole.CONTROL, teachers, repeat)


def untaught_stage(stages: Sequence[Stage]) -> Stage:
    """The untaught control of the first student of ``stages``, which need not have it."""
    student = next(each for each in stages if each.role is StageRole.STUDENT)
    weights = _first_weights(stages, student)
    alone = _without_teachers(student, weights, UNTAUGHT, Task(weight=1.0))
    for stage in stages:
        if stage.title == alone.title:
            return stage
    *_, alone = count_crowds([*stages, alone])
    return alone


def _first_weights(stages: Sequence[Stage], stage: Stage) -> Weights | StageOutput | None:
    """What the student of ``stage`` has started from, before all stages in which it was trained."""
    [spec] = stage.cohort
    if not isinstance(spec.weights, StageOutput):
        return spec.weights
    before = spec.weights.stage
    return _first_weights(stages, next(each for each in stages if each.digest == before))


def _without_teachers(
    student: Stage, weights: Weights | StageOutput | None, name: str, task: Task
) -> Stage:
    """The control ``name``: the ``student``, trained in one stage from ``weights`` on labels
    alone."""
    path = f"controls.{name}"
    cohort = tuple(
        replace(
            spec,
            path=path,
            weights=weights,
            objective={"task": task},
            gate=None,
            tracks_weights=False,
            frozen=(),
        )
        for spec in student.cohort
    )
    return replace(student, name=path, role=StageRole.CONTROL, cohort=cohort, teachers=())

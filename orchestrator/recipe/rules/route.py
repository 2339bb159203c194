"""Rules about the schedule ``route``: whose training it follows, and where its anchors are."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed, suggest
from orchestrator.schedule_config import Route
from students.objectives.config import restricted_to
from students.objectives.term import needs_teachers
from teachers.config import TeacherTrain


def _route(recipe: Recipe) -> Iterator[str]:
    schedule, names = recipe.schedule, list(recipe.teachers)
    if not isinstance(schedule, Route):
        return
    if schedule.anchors is not None and schedule.epochs is not None:
        yield (
            f"`schedule.anchors` is {schedule.anchors}, but `schedule.epochs` say where the "
            "anchors are; give one of the two"
        )
    yield from _greedy(recipe, schedule)
    if not names:
        yield (
            "`schedule` is 'route', which follows a teacher's training, but `teachers` is empty; "
            "add a teacher"
        )
    elif schedule.teacher is None and len(names) > 1:
        yield (
            f"`schedule.teacher` is not given, but `teachers` has {len(names)}; say whose training "
            f"the student follows: {listed(names, 'or')}"
        )
    elif schedule.teacher_of(names) not in names:
        yield (
            f"`schedule.teacher` is '{schedule.teacher}', which is not one of `teachers`; "
            f"{suggest(schedule.teacher_of(names), names)}"
        )
    else:
        yield from _along(recipe, schedule, schedule.teacher_of(names))


def _greedy(recipe: Recipe, schedule: Route) -> Iterator[str]:
    if schedule.anchors != "greedy" and schedule.threshold != Route().threshold:
        yield (
            f"`schedule.threshold` is {schedule.threshold:g}, which has no effect, since "
            "`schedule.anchors` is not 'greedy'; take it out"
        )
    if schedule.is_greedy and recipe.transfer_set.validation == "none":
        yield (
            "`schedule.anchors` is 'greedy', which chooses by answers on the validation part, but "
            "`transfer_set.validation` is 'none'; give it a share, or a number of anchors"
        )


def _along(recipe: Recipe, schedule: Route, name: str) -> Iterator[str]:
    """Whether teacher ``name`` has the anchors, and the student learns something from it."""
    train = recipe.teachers[name].train
    if train is None:
        yield (
            f"`teachers.{name}.weights` are loaded, so there are no anchors along its training; "
            f"give `teachers.{name}.train` so that it is trained here, or take another schedule"
        )
    else:
        yield from _epochs(schedule, f"teachers.{name}.train", train)
    if not needs_teachers(restricted_to(recipe.student.objective, name)):
        yield (
            f"`schedule` is 'route', but `student.objective` uses nothing of '{name}', which "
            "teaches alone; add soft_targets"
        )


def _epochs(schedule: Route, place: str, train: TeacherTrain) -> Iterator[str]:
    last = train.last_epoch
    setting = f"`{place}.{'epochs' if train.stop_epoch is None else 'stop_epoch'}` is {last}"
    if schedule.epochs is None:
        if schedule.count > last and not schedule.is_greedy:
            yield (
                f"`schedule.anchors` is {schedule.count}, but {setting}, and an anchor is the end "
                f"of an epoch; make it at most {last}"
            )
        return
    epochs = list(schedule.epochs)
    if epochs != sorted(set(epochs)):
        yield (
            f"`schedule.epochs` is {epochs}, which does not increase; write {sorted(set(epochs))}"
        )
    if late := [str(epoch) for epoch in epochs if epoch > last]:
        yield (
            f"`schedule.epochs` has {listed(late)}, but {setting}; take it out, or train that "
            "teacher longer"
        )


route_rules = (_route,)

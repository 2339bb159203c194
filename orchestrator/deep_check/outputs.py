"""Whether each teacher's outputs are as many as the classes that they stand for."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.rules.class_maps import beyond_or_unknown
from students.errors import OtherShapes
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.transfer_set import TransferSet
from teachers.config import TeacherConfig


def class_problems(recipe: Recipe, data: TransferSet) -> Iterator[Problem]:
    """What is wrong with class maps that only the data can show."""
    if recipe.transfer_set.class_count is None:  # Of the others it is known without their data.
        yield from beyond_or_unknown(recipe, data.classes)


def unexamined(recipe: Recipe, data: TransferSet) -> Iterator[Problem]:
    """Teachers whose classes have no sample by which they could be judged at the end."""
    for name, teacher in recipe.teachers.items():
        if len(some_classes(data, teacher.classes).test_ids()) == 0:
            place = f"teachers.{name}.classes"
            yield Problem(
                place,
                f"`{place}` names classes of which the test part has no sample, so nothing could "
                "be said of that teacher; add samples of them",
            )


def outputs_of(error: OtherShapes) -> int | None:
    """How many outputs weights have that fit a network but for this; none if they do not fit."""
    found = {
        given[0]
        for given, wanted in error.shapes.values()
        if given and wanted and given[1:] == wanted[1:]
    }
    wanted = {wanted[:1] for _, wanted in error.shapes.values()}
    alike = all(given[1:] == wanted[1:] for given, wanted in error.shapes.values())
    return found.pop() if alike and len(found) == 1 and len(wanted) == 1 else None


def outputs_problem(
    place: str, teacher: TeacherConfig, error: OtherShapes, classes: int
) -> Problem | None:
    """What is said of a loaded teacher at ``place`` whose weights have other outputs than it is
    said to have, in a transfer set of so many ``classes``; none if that is not what is wrong."""
    outputs, wanted = (
        outputs_of(error),
        classes if teacher.classes is None else len(teacher.classes),
    )
    if outputs is None or outputs > classes or {s[0] for _, s in error.shapes.values()} != {wanted}:
        return None
    where, file = f"{place}.classes", teacher.weights.path if teacher.weights else ""
    if teacher.classes is None:
        return Problem(
            where,
            f"`{where}` is not said, but `{place}.weights.path` ('{file}') has {outputs} outputs, "
            f"and the transfer set {classes} classes; say which of these they stand for, in their "
            "order",
        )
    return Problem(
        where,
        f"`{where}` names {wanted} classes, but `{place}.weights.path` ('{file}') has {outputs} "
        "outputs; name one class for each of them, in their order",
    )

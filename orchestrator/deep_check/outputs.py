"""Checks each teacher's number of outputs against the number of its classes."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding, Problem, problems_from
from orchestrator.recipe.rules.class_maps import class_map_problems
from students.errors import ShapeMismatch
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.transfer_set import TransferSet
from teachers.config import TeacherConfig


def class_problems(recipe: Recipe, data: TransferSet) -> Iterator[Finding]:
    """Problems of class maps that only the data can show."""
    if recipe.transfer_set.class_count is None:  # Of the others the rules know it.
        yield from class_map_problems(recipe, data.classes)


def untested(recipe: Recipe, data: TransferSet) -> Iterator[Finding]:
    """Teachers whose classes have no sample in the test part."""
    for name, teacher in recipe.teachers.items():
        if len(some_classes(data, teacher.classes).test_ids) == 0:
            place = f"teachers.{name}.classes"
            yield (
                place,
                "names classes of which the test part has no sample, so that teacher cannot be "
                "evaluated; add samples of them",
            )


def _outputs_of(error: ShapeMismatch) -> int | None:
    """The number of outputs of weights that fit a network otherwise; none if they do not fit."""
    shapes = error.shapes.values()
    found = {given[0] for given, wanted in shapes if given and wanted and given[1:] == wanted[1:]}
    wanted = {wanted[:1] for _, wanted in shapes}
    only_outputs = all(given[1:] == wanted[1:] for given, wanted in shapes)
    return found.pop() if only_outputs and len(found) == 1 and len(wanted) == 1 else None


def outputs_problem(
    place: str, teacher: TeacherConfig, error: ShapeMismatch, classes: int
) -> Problem | None:
    """The problem of a loaded teacher at ``place`` whose weights have another number of outputs
    than its config, in a transfer set of so many ``classes``; none if the error is another."""
    outputs = _outputs_of(error)
    wanted = classes if teacher.classes is None else len(teacher.classes)
    if outputs is None or outputs > classes or {s[0] for _, s in error.shapes.values()} != {wanted}:
        return None
    weights = f"`{place}.weights.path` ('{teacher.weights.path if teacher.weights else ''}')"
    rest = (
        f"is not set, but {weights} has {outputs} outputs, and the transfer set {classes} classes; "
        "list the class of each output, in their order"
        if teacher.classes is None
        else f"names {wanted} classes, but {weights} has {outputs} outputs; name one class for "
        "each of them, in their order"
    )
    return problems_from([(f"{place}.classes", rest)])[0]

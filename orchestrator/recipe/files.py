"""The files of weights and of custom code that a recipe names, and which of them are missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import Finding, Problem, problems_from
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.recipe.places import dotted
from students.models.config import Model, Weights


def missing_files(loaded: LoadedRecipe) -> list[Problem]:
    """A problem for each file that the recipe names and that is not there.

    A relative path starts at the recipe's folder, ``~`` is the user's home folder.
    """
    recipe, student = loaded.recipe, loaded.recipe.student
    findings: list[Finding] = []
    if recipe.transfer_set.custom_source is not None:
        findings += _code(loaded, "transfer_set", recipe.transfer_set.custom_source)
    for name, teacher in recipe.teachers.items():
        findings += _of_model(loaded, f"teachers.{name}", teacher.model, teacher.weights)
    weights = student.weights if isinstance(student.weights, Weights) else None
    findings += _of_model(loaded, "student", student.model, weights)
    return problems_from(findings)


def _of_model(
    loaded: LoadedRecipe, place: str, model: Model, weights: Weights | None
) -> Iterator[Finding]:
    if model.custom_source is not None:
        yield from _code(loaded, f"{place}.model", model.custom_source)
    if weights is None:
        return
    written = weights.path
    for path, text in loaded.from_environment.items():
        if dotted(path).removesuffix(".path") == f"{place}.weights":
            written = text
    file = loaded.folder / Path(weights.path).expanduser()
    yield from _missing(file, f"{place}.weights.path", written, "a weights file")


def _code(loaded: LoadedRecipe, place: str, source: str) -> Iterator[Finding]:
    file = loaded.folder / Path(source.rpartition(":")[0]).expanduser()
    yield from _missing(file, f"{place}.source", source, "a Python file beside the recipe")


def _missing(file: Path, place: str, written: str, what: str) -> Iterator[Finding]:
    if not file.exists():
        yield place, f"is '{written}', which does not exist; give the path of {what}"
    elif not file.is_file():
        yield place, f"is '{written}', which is a folder; give the path of {what}"

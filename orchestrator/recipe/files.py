"""The files that a recipe names: what they are, and which of them are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.recipe.message_text import dotted
from students.models.config import Model, Weights
from students.transfer_sets.config import CustomTransferSet


@dataclass(frozen=True)
class NamedFile:
    """A file as the recipe names it: ``place`` is dotted, ``path`` relative to nothing."""

    place: str
    written: str
    path: Path
    what: str

    def problem(self) -> Problem | None:
        """What is wrong with it, as far as can be seen without opening it."""
        start = f"`{self.place}` is '{self.written}'"
        if not self.path.exists():
            fault = f"{start}, which does not exist; give the path of {self.what}"
        elif not self.path.is_file():
            fault = f"{start}, which is a folder; give the path of {self.what}"
        else:
            return None
        return Problem(self.place, fault)


def resolve_path(folder: Path, written: str) -> Path:
    """Where a path of the recipe leads: ``~`` is home, a relative one starts at its folder."""
    return folder / Path(written).expanduser()


def named_files(loaded: LoadedRecipe) -> Iterator[NamedFile]:
    """Every file of weights and of custom code that the recipe names."""
    recipe = loaded.recipe
    if isinstance(recipe.transfer_set, CustomTransferSet):
        yield _code(loaded, "transfer_set", recipe.transfer_set.source)
    for name, teacher in recipe.teachers.items():
        yield from _of_model(loaded, f"teachers.{name}", teacher.model, teacher.weights)
    student = recipe.student
    weights = student.weights if isinstance(student.weights, Weights) else None
    yield from _of_model(loaded, "student", student.model, weights)


def missing_files(loaded: LoadedRecipe) -> list[Problem]:
    """A problem for each named file that is not there."""
    problems = (file.problem() for file in named_files(loaded))
    return [problem for problem in problems if problem is not None]


def _of_model(
    loaded: LoadedRecipe, place: str, model: Model, weights: Weights | None
) -> Iterator[NamedFile]:
    if model.custom_source is not None:
        yield _code(loaded, f"{place}.model", model.custom_source)
    if weights is not None:
        written = _as_written(loaded, f"{place}.weights") or weights.path
        path = resolve_path(loaded.folder, weights.path)
        yield NamedFile(f"{place}.weights.path", written, path, "a weights file")


def _as_written(loaded: LoadedRecipe, place: str) -> str | None:
    for path, written in loaded.from_environment.items():
        if dotted(path).removesuffix(".path") == place:
            return written
    return None


def _code(loaded: LoadedRecipe, place: str, source: str) -> NamedFile:
    path = resolve_path(loaded.folder, source.rpartition(":")[0])
    return NamedFile(f"{place}.source", source, path, "a Python file beside the recipe")

"""The files that a recipe names: which are missing, and how many classes a folder has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.recipe.loading import LoadedRecipe, printable
from orchestrator.recipe.message_text import dotted
from orchestrator.recipe.overrides import find_value
from students.custom_code import file_of
from students.models.config import Weights
from students.models.weights_format import path_problem
from students.transfer_sets.config import ImageFolder
from students.transfer_sets.identity import root_of
from students.transfer_sets.image_folder import existing, visible


def printable_anywhere(loaded: LoadedRecipe) -> dict[str, Any]:
    """The recipe with all its defaults, as plain values, that means the same files when it lies in
    another folder."""
    plain = printable(loaded)
    settings = [(plain["transfer_set"], "root"), (plain["transfer_set"], "source")]
    for place in loaded.recipe.models:
        # Entries of a schedule may be models alone, or take all but their model from the student.
        model = find_value(plain, f"{place}.model") or {}
        weights = find_value(plain, f"{place}.weights")
        settings += [(model, "source"), (weights if isinstance(weights, dict) else {}, "path")]
    for section, name in settings:
        text = section.get(name, "")
        if text and not text.startswith(("~", "/", "${env:")):
            section[name] = str(loaded.folder / text)
    return plain


def missing_files(loaded: LoadedRecipe) -> Iterator[str]:
    """A sentence for each file that the recipe names and that is not there.

    A relative path starts at the recipe's folder, ``~`` is the user's home folder.
    """
    models = loaded.recipe.models
    sources = {"transfer_set": loaded.recipe.transfer_set.custom_source}
    sources |= {f"{place}.model": owner.model.custom_source for place, owner in models.items()}
    for place, source in sources.items():
        if source is not None:
            file = file_of(source, loaded.folder)
            yield from _missing(file, f"{place}.source", source)
    written = {
        dotted(path).removesuffix(".path"): text for path, text in loaded.from_environment.items()
    }
    for place, owner in models.items():
        if isinstance(owner.weights, Weights):
            text = written.get(f"{place}.weights", owner.weights.path)
            if problem := path_problem(owner.weights.file(loaded.folder), owner.weights.path):
                yield f"`{place}.weights.path` is '{text}', which {problem}"


def _missing(file: Path, place: str, written: str) -> Iterator[str]:
    if not file.is_file():
        problem = "is a folder" if file.exists() else "does not exist"
        yield (
            f"`{place}` is '{written}', which {problem}; give the path of a Python file beside the"
            " recipe"
        )


def class_count(loaded: LoadedRecipe) -> int | None:
    """How many classes there are, as far as names of folders show it; None where they do not."""
    transfer_set = loaded.recipe.transfer_set
    if not isinstance(transfer_set, ImageFolder):
        return transfer_set.class_count
    with suppress(OSError):
        root = root_of(transfer_set, loaded.folder)
        return sum(each.is_dir() for each in visible(existing(root / transfer_set.train_folder)))
    return None

"""What a bank holds, seen from outside: said, and taken away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachers.bank.budget import ViewOnDisk, is_being_written, views_on_disk
from teachers.bank.layout import SEALED, shelves_of, views_of
from teachers.bank.locks import holding
from teachers.bank.sealed_head import FileSpoilt, head_of
from teachers.bank.shelf import read_about, read_inference_config

_ASIDE = ".removed-"


@dataclass(frozen=True)
class StoredShelf:
    """A shelf on disk. ``about`` and ``manner`` are empty where they are damaged or not yet."""

    folder: Path
    about: dict[str, Any]
    inference: dict[str, Any]
    views: tuple[ViewOnDisk, ...]

    @property
    def digest(self) -> str:
        """What it is called."""
        return self.folder.name

    @property
    def teacher(self) -> str:
        """The teacher's name in the recipe that stored first."""
        return str(self.about.get("teacher", "?"))

    @property
    def bytes(self) -> int:
        """What its views take."""
        return sum(view.bytes for view in self.views)

    @property
    def used(self) -> float | None:
        """When it was used last, in seconds since 1970; None if nothing is stored."""
        return max((view.used for view in self.views), default=None)

    @property
    def answers(self) -> int:
        """The answers that are sealed, over all views."""
        return sum(max(_sealed_rows(view.folder), default=0) for view in self.views)


def stored_shelves(bank: Path) -> list[StoredShelf]:
    """All shelves of a bank, by teacher and digest."""
    found = [
        StoredShelf(
            folder,
            read_about(folder) or {},
            read_inference_config(folder) or {},
            tuple(views_on_disk(folder)),
        )
        for folder in shelves_of(bank)
    ]
    return sorted(found, key=lambda shelf: (shelf.teacher, shelf.digest))


def clear(shelf: StoredShelf) -> bool:
    """Deletes a shelf, unless somebody is writing or sealing it; says whether it did.

    Readers that have files of it open keep them.
    """
    aside = shelf.folder.with_name(_ASIDE + shelf.folder.name)
    with ExitStack() as locks:
        for _, folder in views_of(shelf.folder):
            if not locks.enter_context(holding(folder)) or is_being_written(folder):
                return False
        if aside.exists():
            shutil.rmtree(aside)
        shelf.folder.replace(aside)
    shutil.rmtree(aside)
    return True


def sweep(bank: Path) -> int:
    """Deletes what a clearing that was broken off has left; gives the bytes."""
    left = list(bank.glob(f"{_ASIDE}*")) if bank.is_dir() else []
    freed = sum(view.bytes for folder in left for view in views_on_disk(folder))
    for folder in left:
        shutil.rmtree(folder)
    return freed


def matching(shelves: Sequence[StoredShelf], word: str) -> list[StoredShelf]:
    """The shelves whose teacher is called ``word``, or whose digest begins with it."""
    return [shelf for shelf in shelves if word in (shelf.teacher, shelf.digest[: len(word)])]


def _sealed_rows(folder: Path) -> Iterator[int]:
    """How many rows each sealed file of a view says that it has."""
    for path in folder.glob(f"*{SEALED}"):
        try:
            yield head_of(path)[2]
        except (FileNotFoundError, FileSpoilt):
            continue

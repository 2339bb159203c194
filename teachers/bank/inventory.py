"""What a bank holds, seen from outside: lists it, verifies its checksums, deletes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from teachers.bank.budget import ViewOnDisk, is_being_written, views_on_disk
from teachers.bank.locks import folder_lock
from teachers.bank.sealed_file import CorruptFile, SealedFile, read_head
from teachers.bank.shelf import (
    SEALED,
    file_identity,
    identity_of,
    read_about,
    read_inference_config,
    shelves_of,
    views_of,
)

_ASIDE = ".removed-"


@dataclass(frozen=True)
class StoredShelf:
    """A shelf on disk. ``about`` and ``inference`` are empty where damaged or not written yet."""

    folder: Path
    about: dict[str, Any]
    inference: dict[str, Any]
    views: tuple[ViewOnDisk, ...]

    @property
    def digest(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def teacher(self) -> str:
        """The teacher's name in the recipe that stored first."""
        return str(self.about.get("teacher", "?"))

    @property
    def bytes(self) -> int:
        """The size of its views."""
        return sum(view.bytes for view in self.views)

    @property
    def used(self) -> float | None:
        """When it was used last, in seconds since 1970; None if nothing is stored."""
        return max((view.used for view in self.views), default=None)

    @property
    def answers(self) -> int:
        """The answers that are sealed, over all views."""
        return sum(max(_sealed_rows(view.folder), default=0) for view in self.views)


@dataclass(frozen=True)
class Corrupt:
    """A file, or ``answers`` in it, that cannot be read."""

    path: Path
    answers: int
    why: str


@dataclass(frozen=True)
class Verified:
    """The result of reading a shelf: how many files and readable answers, and what is corrupt."""

    files: int
    answers: int
    corrupt: tuple[Corrupt, ...]


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


def matching(shelves: Sequence[StoredShelf], word: str) -> list[StoredShelf]:
    """The shelves whose teacher is called ``word``, or whose digest begins with it."""
    return [shelf for shelf in shelves if word in (shelf.teacher, shelf.digest[: len(word)])]


def verify(shelf: StoredShelf) -> Verified:
    """Reads all that is sealed on a shelf and compares it with its checksums; changes nothing."""
    files, answers, corrupt = 0, 0, []
    identity = identity_of(shelf.about, shelf.inference)
    for view, folder in views_of(shelf.folder):
        for path in sorted(folder.glob(f"*{SEALED}")):
            files += 1
            try:
                found, _ = read_head(path)
                column = unquote(path.name.removesuffix(SEALED))
                expected = file_identity(identity, view, column, found.row_bytes)
                sealed = SealedFile(path, replace(found, identity=expected))
            except CorruptFile as error:
                corrupt.append(Corrupt(path, 0, str(error)))
                continue
            total, intact = sealed.bitmap.total, len(sealed.intact_ids())
            answers += intact
            if intact < total:
                why = "the bytes do not match their checksum"
                corrupt.append(Corrupt(path, total - intact, why))
    return Verified(files, answers, tuple(corrupt))


def clear(shelf: StoredShelf) -> bool:
    """Deletes a shelf, unless a process is writing or sealing it; returns whether it did.

    Readers that have files of it open keep them.
    """
    aside = shelf.folder.with_name(_ASIDE + shelf.folder.name)
    with ExitStack() as locks:
        for _, folder in views_of(shelf.folder):
            if not locks.enter_context(folder_lock(folder)) or is_being_written(folder):
                return False
        if aside.exists():
            shutil.rmtree(aside)
        shelf.folder.replace(aside)
    shutil.rmtree(aside)
    return True


def sweep(bank: Path) -> int:
    """Deletes what an interrupted ``clear`` has left; returns the bytes."""
    left = list(bank.glob(f"{_ASIDE}*")) if bank.is_dir() else []
    freed = sum(view.bytes for folder in left for view in views_on_disk(folder))
    for folder in left:
        shutil.rmtree(folder)
    return freed


def _sealed_rows(folder: Path) -> Iterator[int]:
    """How many rows each sealed file of a view has by its head."""
    for path in folder.glob(f"*{SEALED}"):
        with suppress(FileNotFoundError, CorruptFile):
            yield read_head(path)[1]

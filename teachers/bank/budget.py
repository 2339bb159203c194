"""Keeps the bank within its budget: views that were used longest ago are deleted first, whole."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from teachers.bank.columns import Column
from teachers.bank.locks import CLAIMS, LOCK, folder_lock, try_lock
from teachers.bank.sealed_file import RowFormat
from teachers.bank.shelf import journals_in, shelves_of, views_of


@dataclass(frozen=True)
class ViewOnDisk:
    """What the files of one view of one shelf take; ``used`` is in seconds since 1970."""

    folder: Path
    view: int
    bytes: int
    used: float


def bytes_of_one_view(columns: Sequence[Column], samples: int, ids: int) -> int:
    """The bytes that sealed answers to one view take, for ``ids`` of ``samples`` samples."""
    formats = (RowFormat(b"", column.row_bytes, samples) for column in columns)
    return sum(each.sealed_bytes(ids) for each in formats)


def views_on_disk(shelf: Path) -> list[ViewOnDisk]:
    """The views of a shelf of which anything is stored, and what they take."""
    found = []
    for view, folder in views_of(shelf):
        states = []
        for path in _files(folder):
            with suppress(FileNotFoundError):  # Another process may delete it meanwhile.
                states.append(path.stat())
        if states:
            size = sum(state.st_size for state in states)
            found.append(ViewOnDisk(folder, view, size, max(state.st_mtime for state in states)))
    return found


def evict(bank: Path, budget: int, keep: Path) -> list[Path]:
    """Deletes views, those used longest ago first, until the bank is within ``budget`` bytes.

    Never the one in ``keep``, nor one that is being written or sealed. Returns their folders.
    """
    stored = [view for shelf in shelves_of(bank) for view in views_on_disk(shelf)]
    total = sum(view.bytes for view in stored)
    deleted: list[Path] = []
    for each in sorted(stored, key=lambda view: view.used):
        if total <= budget:
            break
        if each.folder != keep and _delete(each.folder):
            total -= each.bytes
            deleted.append(each.folder)
    return deleted


def is_being_written(folder: Path) -> bool:
    """Whether a journal of the view in ``folder`` has a writer that lives."""
    for path in journals_in(folder):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if not try_lock(file.fileno()):
                return True
    return False


def _delete(folder: Path) -> bool:
    """Deletes what is stored of a view, unless it is in use or may not be deleted."""
    try:
        with folder_lock(folder) as locked:
            if not locked or is_being_written(folder):
                return False
            for path in _files(folder):
                path.unlink(missing_ok=True)
    except OSError:
        return False  # Another user's, or deleted meanwhile: the bank stays too large, no more.
    return True


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name not in (LOCK, CLAIMS))
    except FileNotFoundError:
        return []

"""Keeps the bank within its budget: views that were used longest ago go first, whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from teachers.bank.layout import journals_in, shelves_of, views_of
from teachers.bank.locks import CLAIMS, LOCK, hold, holding
from teachers.bank.sealed_head import sealed_bytes

if TYPE_CHECKING:
    from teachers.bank.columns import Column


@dataclass(frozen=True)
class ViewOnDisk:
    """What the files of one view of one shelf take; ``used`` is in seconds since 1970."""

    folder: Path
    view: int
    bytes: int
    used: float


def needed_for_one_view(columns: Sequence[Column], samples: int, ids: int) -> int:
    """The bytes that sealed answers to one view take, for ``ids`` of ``samples`` samples."""
    return sum(sealed_bytes(samples, ids, column.row_bytes) for column in columns)


def views_on_disk(shelf: Path) -> list[ViewOnDisk]:
    """The views of a shelf of which anything is stored, and what they take."""
    found = []
    for view, folder in views_of(shelf):
        states = list(_states(folder))
        if states:
            size = sum(state.st_size for state in states)
            found.append(ViewOnDisk(folder, view, size, max(state.st_mtime for state in states)))
    return found


def evict(bank: Path, budget: int, keep: Path) -> list[Path]:
    """Deletes views, those used longest ago first, until the bank is within ``budget`` bytes.

    Never the view in the folder ``keep``, nor one that is being written or sealed. Gives the
    folders of those that went.
    """
    stored = [view for shelf in shelves_of(bank) for view in views_on_disk(shelf)]
    total = sum(view.bytes for view in stored)
    gone: list[Path] = []
    for each in sorted(stored, key=lambda view: view.used):
        if total <= budget:
            break
        if each.folder != keep and _delete(each.folder):
            total -= each.bytes
            gone.append(each.folder)
    return gone


def is_being_written(folder: Path) -> bool:
    """Whether a journal of the view in ``folder`` has a writer that lives."""
    for path in journals_in(folder):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if not hold(handle):
                return True
        finally:
            os.close(handle)
    return False


def _delete(folder: Path) -> bool:
    """Deletes what is stored of a view, unless it is in use or may not be deleted."""
    try:
        with holding(folder) as held:
            if not held or is_being_written(folder):
                return False
            for path in _files(folder):
                path.unlink(missing_ok=True)
    except OSError:
        return False  # Another's, or gone meanwhile: the bank is larger than it should be, no more.
    return True


def _states(folder: Path) -> Iterator[os.stat_result]:
    """The state of each file; what another process deletes meanwhile is nothing."""
    for path in _files(folder):
        with suppress(FileNotFoundError):
            yield path.stat()


def _files(folder: Path) -> list[Path]:
    """All that is stored of a view; its locks are nothing."""
    try:
        return sorted(path for path in folder.iterdir() if path.name not in (LOCK, CLAIMS))
    except FileNotFoundError:
        return []

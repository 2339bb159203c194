"""Seals: merges the journals of dead writers with what is sealed, into another sealed file.

One sealer at a time, under the view's lock. The new file is written beside, flushed and renamed;
only then do journals go. So a crash at any moment leaves what was sealed, and the journals.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from students.durable_files import TEMPORARY, atomic_writer
from teachers.bank.budget import evict
from teachers.bank.columns import Column
from teachers.bank.id_bitmap import Presence, words_of
from teachers.bank.journal import Ids, JournalTail
from teachers.bank.layout import journals_in, sealed_path, view_folder, views_of
from teachers.bank.locks import holding
from teachers.bank.merged_column import Gathered
from teachers.bank.sealed_file import SealedFile, index_of
from teachers.bank.sealed_head import FileSpoilt, rows_in_block
from teachers.bank.shelf import Shelf, file_identity, read_about

log = logging.getLogger("stillhouse.bank")


@dataclass(frozen=True)
class Sealing:
    """How it went: ``done`` unless another was at it or the disk refused (``trouble`` says why).

    ``conflicts`` counts the answers that two writers gave with different bits.
    """

    done: bool
    trouble: str = ""
    conflicts: int = 0


def seal_all(shelf: Shelf) -> list[Sealing]:
    """Seals whatever dead writers left on the shelf, in all views."""
    views = [view for view, folder in views_of(shelf.folder) if journals_in(folder)]
    return [seal(shelf, view) for view in views]


def seal(shelf: Shelf, view: int, *, mend: bool = False) -> Sealing:
    """Seals what dead writers left of one view; waits for nobody.

    To ``mend`` is to go through it though nobody left anything, and to leave spoilt blocks out.
    """
    folder = view_folder(shelf.folder, view)
    if not mend and not journals_in(folder):
        return Sealing(True)
    conflicts = 0
    try:
        # Whoever found the lock held while this was at it left a journal: so look again.
        while mend or any(_has_dead(shelf, view, column) for column in shelf.columns):
            with holding(folder) as held:
                if not held:
                    return Sealing(False, conflicts=conflicts)
                for path in folder.glob(f"{TEMPORARY}*"):
                    path.unlink(missing_ok=True)
                conflicts += sum(_seal(shelf, view, column, mend) for column in shelf.columns)
                evict(shelf.bank, shelf.budget, keep=folder)
            mend = False
    except OSError as error:
        return Sealing(False, trouble_of(shelf, error), conflicts)
    if conflicts:
        _tell_conflicts(shelf, conflicts)
    return Sealing(True, conflicts=conflicts)


def trouble_of(shelf: Shelf, error: OSError) -> str:
    """What to say when the bank cannot be written."""
    reason = (error.strerror or str(error)).lower()
    return f"the bank in '{shelf.bank}' cannot be written ({reason}); it goes on without storing"


def open_sealed(shelf: Shelf, view: int, column: Column) -> SealedFile | None:
    """What is sealed of a column of a view; None if there is none that can be read."""
    path = sealed_path(view_folder(shelf.folder, view), column.stored_name)
    identity = file_identity(shelf.identity, view, column.stored_name, column.row_bytes)
    try:
        return SealedFile(path, identity, column.row_bytes, shelf.samples)
    except (FileSpoilt, FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def is_sealed(shelf: Shelf, view: int, column: Column) -> bool:
    """Whether there is a sealed file of that column, readable or not."""
    return sealed_path(view_folder(shelf.folder, view), column.stored_name).exists()


def open_journal(shelf: Shelf, view: int, column: Column, path: Path) -> JournalTail | None:
    """A journal, to be read; None if it went meanwhile or may not be read."""
    identity = file_identity(shelf.identity, view, column.stored_name, column.row_bytes)
    try:
        return JournalTail(path, identity, column.row_bytes, shelf.samples)
    except (FileNotFoundError, PermissionError):
        return None


def _seal(shelf: Shelf, view: int, column: Column, mend: bool) -> int:
    """Seals one column, its view's lock being held; gives the number of conflicts."""
    folder = view_folder(shelf.folder, view)
    path = sealed_path(folder, column.stored_name)
    with _dead(shelf, view, column) as dead:
        if not dead and not mend:
            return 0
        gathered = Gathered(shelf.samples, column.row_bytes)
        gathered.sealed = open_sealed(shelf, view, column)
        before, spoilt = _state(path, gathered.sealed)
        conflicts = sum(_take_in(gathered, tail) for tail in dead)
        ids = gathered.all_ids()
        if len(ids) == 0:
            path.unlink(missing_ok=True)
        elif spoilt or len(ids) != before:
            identity = file_identity(shelf.identity, view, column.stored_name, column.row_bytes)
            _write(path, gathered, ids, identity, shelf.samples, column.row_bytes)
        for tail in dead:
            tail.path.unlink(missing_ok=True)
    return conflicts


def _has_dead(shelf: Shelf, view: int, column: Column) -> bool:
    with _dead(shelf, view, column) as dead:
        return bool(dead)


def _tell_conflicts(shelf: Shelf, conflicts: int) -> None:
    teacher = (read_about(shelf.folder) or {}).get("teacher", "?")
    log.warning(
        "teacher '%s' is not deterministic: %d answers in the bank's shelf %s were given twice "
        "and differ; the first are kept",
        teacher,
        conflicts,
        shelf.folder.name,
    )


def _state(path: Path, sealed: SealedFile | None) -> tuple[int, bool]:
    """How many rows are sealed, and whether any of them are spoilt, which is told."""
    if sealed is None:
        if spoilt := path.exists():
            log.warning("'%s' is spoilt or belongs elsewhere; its answers are made anew", path)
        return 0, spoilt
    if blocks := len(sealed.spoilt_blocks()):
        log.warning("%d block(s) of '%s' are spoilt; their answers are made anew", blocks, path)
    return sealed.presence.total, blocks > 0


@contextmanager
def _dead(shelf: Shelf, view: int, column: Column) -> Iterator[list[JournalTail]]:
    """The journals whose writers are dead, held meanwhile."""
    with ExitStack() as opened:
        dead = []
        for path in journals_in(view_folder(shelf.folder, view), column.stored_name):
            tail = open_journal(shelf, view, column, path)
            if tail is not None and opened.enter_context(tail).take():
                dead.append(tail)
        yield dead


def _take_in(gathered: Gathered, tail: JournalTail) -> int:
    """Adds what a journal holds beyond the rest; gives how many of its rows differ from that."""
    number = gathered.join(tail)
    conflicts = 0
    for ids, offset in tail.records():
        again = gathered.present(ids)
        if again.any():
            offsets = offset + np.flatnonzero(again) * gathered.row_bytes
            differ = gathered.rows(ids[again]) != tail.rows(offsets)
            conflicts += int(differ.any(axis=1).sum())
        gathered.told(number, ids, offset)
    return conflicts


def _write(
    path: Path, gathered: Gathered, ids: Ids, identity: bytes, samples: int, row_bytes: int
) -> None:
    """Puts the rows of ``ids`` (ascending) in the place of what is at ``path``."""
    presence = Presence(words_of(ids, samples))
    step = rows_in_block(row_bytes)
    sums = np.zeros(-(-len(ids) // step), "<u4")
    with atomic_writer(path) as file:
        file.write(index_of(identity, samples, row_bytes, presence, sums.tobytes()))
        for block in range(len(sums)):
            rows = gathered.rows(ids[block * step : (block + 1) * step])
            sums[block] = zlib.crc32(rows.data)
            file.write(rows.data)
        file.seek(0)
        file.write(index_of(identity, samples, row_bytes, presence, sums.tobytes()))

"""Sealing: merges the journals of dead writers and the sealed file into another sealed file.

One sealer at a time, under the view's lock. The new file is written beside the old, flushed and
renamed; only then are journals deleted. So a crash at any moment leaves what was sealed, and the
journals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import numpy as np

from students.durable_files import TEMPORARY
from teachers.bank.budget import evict
from teachers.bank.journal import JournalTail
from teachers.bank.locks import folder_lock
from teachers.bank.merged_column import ColumnFiles, MergedColumn
from teachers.bank.sealed_file import write_sealed
from teachers.bank.shelf import Shelf, journals_in, read_about, views_of

log = logging.getLogger("stillhouse.bank")


def seal_all(shelf: Shelf) -> None:
    """Seals what dead writers left on the shelf, in all views."""
    for view, _ in views_of(shelf.folder):
        seal(shelf, view)


def seal(shelf: Shelf, view: int, *, repair: bool = False) -> str:
    """Seals what dead writers left of one view, unless another process is sealing it now.

    With ``repair`` also where there are no journals, and corrupt blocks are left out. Returns ""
    or the sentence that says why the disk cannot be written.
    """
    folder = shelf.view_folder(view)
    if not repair and not journals_in(folder):
        return ""
    columns = [ColumnFiles(shelf, view, column) for column in shelf.columns]
    conflicts = 0
    try:
        # A writer that ended while the lock was held left its journal to this sealer: look again.
        while repair or any(map(_has_dead_journals, columns)):
            with folder_lock(folder) as locked:
                if not locked:
                    return ""
                for path in folder.glob(f"{TEMPORARY}*"):
                    path.unlink(missing_ok=True)
                conflicts += sum(_seal(files, repair) for files in columns)
                evict(shelf.bank, shelf.budget, keep=folder)
            repair = False
    except OSError as error:
        return write_trouble(shelf, error)
    if conflicts:
        log.warning(
            "teacher '%s' is not deterministic: %d answers in the bank's shelf %s were given twice "
            "and differ; the first are kept: take out what is random in its evaluation mode",
            (read_about(shelf.folder) or {}).get("teacher", "?"),
            conflicts,
            shelf.folder.name,
        )
    return ""


def write_trouble(shelf: Shelf, error: OSError) -> str:
    """The sentence that says why the bank cannot be written."""
    reason = (error.strerror or str(error)).lower()
    return (
        f"the bank in '{shelf.bank}' cannot be written ({reason}); it continues without storing: "
        "for the next run make room there, or correct its rights"
    )


def _seal(files: ColumnFiles, repair: bool) -> int:
    """Seals one column under its view's lock; returns how many answers two writers gave with
    different bits."""
    with _dead_journals(files) as journals:
        if not journals and not repair:
            return 0
        column = MergedColumn(files)
        intact = _open_sealed(column)
        conflicts = _merge(column, journals)
        ids = column.all_ids()
        if len(ids) == 0:
            files.sealed_path.unlink(missing_ok=True)
        elif len(ids) != intact:
            write_sealed(files.sealed_path, files.row_format, ids, column.rows)
        for journal in journals:
            journal.path.unlink(missing_ok=True)
    return conflicts


def _has_dead_journals(files: ColumnFiles) -> bool:
    with _dead_journals(files) as journals:
        return bool(journals)


@contextmanager
def _dead_journals(files: ColumnFiles) -> Iterator[list[JournalTail]]:
    """The journals whose writers are dead, locked meanwhile."""
    with ExitStack() as opened:
        tails = [opened.enter_context(closing(tail)) for tail in files.open_journals()]
        yield [tail for tail in tails if tail.try_lock()]


def _open_sealed(column: MergedColumn) -> int | None:
    """Opens the sealed file and logs what is corrupt; returns its number of rows, None where it
    must be written again."""
    path = column.files.sealed_path
    column.sealed = column.files.open_sealed()
    if column.sealed is None:
        if path.exists():
            log.warning(
                "'%s' is corrupt or belongs elsewhere; its answers are computed again", path
            )
        return None
    if blocks := column.sealed.corrupt_blocks():
        log.warning(
            "%d block(s) of '%s' are corrupt; their answers are computed again", blocks, path
        )
        return None
    return column.sealed.bitmap.total


def _merge(column: MergedColumn, journals: Sequence[JournalTail]) -> int:
    """Adds the journals; returns how many of their rows differ from one that was there before."""
    conflicts = 0
    for journal in journals:
        number = column.add_journal(journal)
        for ids, offset in journal.records():
            again = column.present(ids)
            if again.any():
                steps = np.flatnonzero(again) * column.files.row_format.row_bytes
                differ = column.rows(ids[again]) != journal.rows(offset + steps)
                conflicts += int(differ.any(axis=1).sum())
            column.add(number, ids, offset)
    return conflicts

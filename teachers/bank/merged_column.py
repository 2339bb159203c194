"""One column of one view, wherever its rows are: in the sealed file, then in journals."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from teachers.bank.columns import Column, Halves, Ids, Mask, Rows
from teachers.bank.journal import Journal, JournalTail
from teachers.bank.sealed_file import CorruptFile, RowFormat, SealedFile
from teachers.bank.shelf import Shelf, file_identity, journals_in, sealed_path

_OFFSET_BITS = 40
"""A journal of a terabyte, and eight million of them, fit in 63 bits."""


class ColumnFiles:
    """The files of one column of one view of a shelf."""

    def __init__(self, shelf: Shelf, view: int, column: Column) -> None:
        name, size = column.stored_name, column.row_bytes
        self.column = column
        self.folder = shelf.view_folder(view)
        self.sealed_path = sealed_path(self.folder, name)
        identity = file_identity(shelf.identity, view, name, size)
        self.row_format = RowFormat(identity, size, shelf.samples)

    def open_sealed(self) -> SealedFile | None:
        """The sealed file; None if there is none that can be read."""
        try:
            return SealedFile(self.sealed_path, self.row_format)
        except (CorruptFile, FileNotFoundError, NotADirectoryError, PermissionError):
            return None

    def open_journals(self, known: Container[Path] = ()) -> Iterator[JournalTail]:
        """The journals of all writers but for the ``known`` ones, those that are deleted meanwhile
        and those that may not be read."""
        for path in journals_in(self.folder, self.column.stored_name):
            if path not in known:
                with suppress(FileNotFoundError, PermissionError):
                    yield JournalTail(path, self.row_format)


class MergedColumn:
    """The rows of one column: those that are sealed, then the first that a journal has.

    For the latter an array holds a number for each id: which journal, and where in it.
    """

    def __init__(self, files: ColumnFiles) -> None:
        self.files = files
        self.sealed: SealedFile | None = None
        self._tails: list[JournalTail] = []
        # 0 is nowhere: pages of ids that no journal has are never touched, so cost no memory.
        self._locations = np.zeros(files.row_format.samples, np.int64)

    def add_journal(self, tail: JournalTail) -> int:
        """Adds a journal without any rows yet; returns its number."""
        self._tails.append(tail)
        return len(self._tails)

    def add(self, journal: int, ids: Ids, offset: int) -> None:
        """Adds the rows of ``ids`` [B] that a journal has from ``offset`` on, where new."""
        steps = np.arange(len(ids)) * self.files.row_format.row_bytes
        locations = (journal << _OFFSET_BITS) + offset + steps
        new = self._locations[ids] == 0
        # Backwards, so that the first location of an id that comes twice is the one that stays.
        self._locations[ids[new][::-1]] = locations[new][::-1]

    def present(self, ids: Ids) -> Mask:
        """Whether each of ``ids`` [B] is there; sealed ones are verified when first read."""
        found = self._sealed(ids)
        found |= self._locations[ids] != 0
        return found

    def rows(self, ids: Ids) -> Rows:
        """The rows [B, row_bytes] of ``ids`` [B], all of which are present."""
        result = np.empty((len(ids), self.files.row_format.row_bytes), np.uint8)
        sealed = self._sealed(ids)
        if self.sealed is not None and sealed.any():
            result[sealed] = self.sealed.rows(ids[sealed])
        journals = np.where(sealed, 0, self._locations[ids] >> _OFFSET_BITS)
        offsets = self._locations[ids] & ((1 << _OFFSET_BITS) - 1)
        for number in np.unique(journals[~sealed]).tolist():
            of_this = journals == number
            result[of_this] = self._tails[number - 1].rows(offsets[of_this])
        return result

    def all_ids(self) -> Ids:
        """All ids that are there, ascending; every sealed block is verified."""
        in_journals = np.flatnonzero(self._locations).astype(np.int64)
        if self.sealed is None:
            return in_journals
        return np.union1d(self.sealed.intact_ids(), in_journals)

    def _sealed(self, ids: Ids) -> Mask:
        if self.sealed is None:
            return np.zeros(len(ids), np.bool_)
        return self.sealed.readable(ids)


class LiveColumn(MergedColumn):
    """What all writers have stored of a column, as of the last ``refresh``, and a journal of its
    own for what is new."""

    def __init__(self, files: ColumnFiles) -> None:
        super().__init__(files)
        self._own: tuple[int, Journal] | None = None

    def refresh(self) -> None:
        """Reads what others have stored since."""
        own_number = None if self._own is None else self._own[0]
        self._tails += self.files.open_journals({tail.path for tail in self._tails})
        for number, tail in enumerate(self._tails, 1):
            if number != own_number:
                for ids, offset in tail.records():
                    self.add(number, ids, offset)
        # Last: rows of a journal that a sealer deleted meanwhile are in the file that it wrote.
        with suppress(OSError):
            status = self.files.sealed_path.stat()
            if self.sealed is None or not os.path.samestat(self.sealed.status, status):
                self.sealed = self.files.open_sealed() or self.sealed

    def read(self, ids: Ids) -> Halves:
        """The values [B, *shape] of ``ids`` [B], all of which are present."""
        return self.files.column.decode(self.rows(ids))

    def append(self, ids: Ids, values: Halves) -> None:
        """Appends those rows that are not there yet.

        Raises:
            OSError: they cannot be written.
        """
        _, first = np.unique(ids, return_index=True)
        new = np.sort(first)
        new = new[~self.present(ids[new])]
        if len(new):
            number, journal = self._open_own()
            offset = journal.append(ids[new], self.files.column.encode(values[new]))
            self.add(number, ids[new], offset)

    def close(self) -> bool:
        """Closes all journals; returns whether it has written one itself."""
        if self._own is not None:
            self._own[1].close()
        for tail in self._tails:
            tail.close()
        return self._own is not None

    def _open_own(self) -> tuple[int, Journal]:
        if self._own is None:
            files = self.files
            files.folder.mkdir(parents=True, exist_ok=True)
            journal = Journal(files.folder, files.column.stored_name, files.row_format)
            number = self.add_journal(JournalTail(journal.path, files.row_format))
            self._own = (number, journal)
        return self._own

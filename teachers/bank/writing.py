"""What anybody has stored of one view up to this moment, and where new answers go."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Column, Halves
from teachers.bank.gathered import Gathered
from teachers.bank.journal import Ids, Journal, JournalTail
from teachers.bank.places import journals_in, sealed_path, spelt, view_folder
from teachers.bank.sealing import open_journal, open_sealed, seal, trouble_of
from teachers.bank.shelf import Shelf, file_identity


class FreshView:
    """One view of a shelf, for who computes answers to it; threads may share it.

    It sees what is sealed and, as of the last ``refresh``, what all living writers have stored.
    ``trouble`` is "" or the sentence that says why nothing is stored any more.
    """

    def __init__(self, shelf: Shelf, view: int) -> None:
        self.trouble = ""
        self._shelf = shelf
        self._view = view
        self._columns = {column.name: _FreshColumn(shelf, view, column) for column in shelf.columns}
        self._one_at_a_time = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Takes in what others have stored since."""
        with self._one_at_a_time:
            for column in self._columns.values():
                column.refresh()

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether the answers to ``ids`` [B] are stored, in all columns, and can be read."""
        found = np.ones(len(ids), np.bool_)
        with self._one_at_a_time:
            for column in self._columns.values():
                found &= column.gathered.present(ids)
        return found

    def read(self, ids: Ids) -> dict[str, Halves]:
        """By column the values [B, *shape] of ``ids`` [B], all of which are present."""
        with self._one_at_a_time:
            return {
                name: column.column.decode(column.gathered.rows(ids))
                for name, column in self._columns.items()
            }

    def append(self, ids: Ids, values: Mapping[str, Halves]) -> None:
        """Stores what is new of the answers [B, *shape] to ``ids`` [B], by column.

        A disk that is full, or may not be written, raises nothing: see ``trouble``.
        """
        with self._one_at_a_time:
            try:
                for name, column in self._columns.items():
                    if not self.trouble:
                        column.append(ids, values[name])
            except OSError as error:
                self.trouble = trouble_of(self._shelf, error)

    def close(self) -> None:
        """Ends writing, and seals what is stored unless somebody else is at it."""
        with self._one_at_a_time:
            wrote = [column.close() for column in self._columns.values()]
            if any(wrote):
                self.trouble = self.trouble or seal(self._shelf, self._view).trouble


class _FreshColumn:
    """One column of it: what is gathered of it, and the journal of its own."""

    def __init__(self, shelf: Shelf, view: int, column: Column) -> None:
        self.column = column
        self.gathered = Gathered(shelf.samples, column.row_bytes)
        self._shelf = shelf
        self._view = view
        self._folder = view_folder(shelf.folder, view)
        self._others: dict[Path, tuple[int, JournalTail]] = {}
        self._journal: Journal | None = None
        self._number = 0

    def refresh(self) -> None:
        own = None if self._journal is None else self._journal.path
        for path in journals_in(self._folder, self.column.name):
            if path != own and path not in self._others:
                tail = open_journal(self._shelf, self._view, self.column, path)
                if tail is not None:
                    self._others[path] = (self.gathered.join(tail), tail)
        for number, tail in self._others.values():
            for ids, offset in tail.records():
                self.gathered.told(number, ids, offset)
        # Only now: what a sealer took from under us is in the sealed file that it put there.
        self._see_sealed()

    def append(self, ids: Ids, values: Halves) -> None:
        """Appends those rows that are not there yet.

        Raises:
            OSError: they cannot be written.
        """
        _, first = np.unique(ids, return_index=True)
        new = np.sort(first)
        new = new[~self.gathered.present(ids[new])]
        if len(new):
            offset = self._open().append(ids[new], self.column.encode(values[new]))
            self.gathered.told(self._number, ids[new], offset)

    def close(self) -> bool:
        """Lets go of all journals; gives whether it had one of its own."""
        if self._journal is not None:
            self._journal.close()
        self.gathered.close()
        return self._journal is not None

    def _open(self) -> Journal:
        """The own journal, made when it is first wanted."""
        if self._journal is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            size = self.column.row_bytes
            identity = file_identity(self._shelf.identity, self._view, self.column.name, size)
            self._journal = Journal(self._folder, spelt(self.column.name), identity, size)
            tail = JournalTail(self._journal.path, identity, size, self._shelf.samples)
            self._number = self.gathered.join(tail)
        return self._journal

    def _see_sealed(self) -> None:
        """Opens what is sealed, if another file is in its place by now."""
        known = self.gathered.sealed
        try:
            status = sealed_path(self._folder, self.column.name).stat()
        except OSError:
            return
        if known is None or not os.path.samestat(known.status, status):
            self.gathered.sealed = open_sealed(self._shelf, self._view, self.column) or known

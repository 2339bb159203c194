"""One column of a view that is being written: what is gathered of it, and a journal of its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Column, Halves
from teachers.bank.compaction import open_journal, open_sealed
from teachers.bank.journal import Ids, Journal, JournalTail
from teachers.bank.layout import journals_in, sealed_path, spelt, view_folder
from teachers.bank.merged_column import Gathered
from teachers.bank.shelf import Shelf, file_identity


class FreshColumn:
    """What anybody has stored of one column, as of the last ``refresh``."""

    def __init__(self, shelf: Shelf, view: int, column: Column) -> None:
        self.name = column.name
        self._column = column
        self._gathered = Gathered(shelf.samples, column.row_bytes)
        self._shelf = shelf
        self._view = view
        self._folder = view_folder(shelf.folder, view)
        self._others: dict[Path, tuple[int, JournalTail]] = {}
        self._journal: Journal | None = None
        self._number = 0

    def refresh(self) -> None:
        """Takes in what others have stored since."""
        own = None if self._journal is None else self._journal.path
        for path in journals_in(self._folder, self._column.stored_name):
            if path != own and path not in self._others:
                tail = open_journal(self._shelf, self._view, self._column, path)
                if tail is not None:
                    self._others[path] = (self._gathered.join(tail), tail)
        for number, tail in self._others.values():
            for ids, offset in tail.records():
                self._gathered.told(number, ids, offset)
        # Only now: what a sealer took from under us is in the sealed file that it put there.
        self._see_sealed()

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each of ``ids`` [B] is stored and can be read."""
        return self._gathered.present(ids)

    def read(self, ids: Ids) -> Halves:
        """The values [B, *shape] of ``ids`` [B], all of which are present."""
        return self._column.decode(self._gathered.rows(ids))

    def append(self, ids: Ids, values: Halves) -> None:
        """Appends those rows that are not there yet.

        Raises:
            OSError: they cannot be written.
        """
        _, first = np.unique(ids, return_index=True)
        new = np.sort(first)
        new = new[~self.present(ids[new])]
        if len(new):
            offset = self._open().append(ids[new], self._column.encode(values[new]))
            self._gathered.told(self._number, ids[new], offset)

    def close(self) -> bool:
        """Lets go of all journals; gives whether it had one of its own."""
        if self._journal is not None:
            self._journal.close()
        self._gathered.close()
        return self._journal is not None

    def _open(self) -> Journal:
        """The own journal, made when it is first wanted."""
        if self._journal is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            size = self._column.row_bytes
            identity = file_identity(
                self._shelf.identity, self._view, self._column.stored_name, size
            )
            self._journal = Journal(self._folder, spelt(self._column.stored_name), identity, size)
            tail = JournalTail(self._journal.path, identity, size, self._shelf.samples)
            self._number = self._gathered.join(tail)
        return self._journal

    def _see_sealed(self) -> None:
        """Opens what is sealed, if another file is in its place by now."""
        known = self._gathered.sealed
        try:
            status = sealed_path(self._folder, self._column.stored_name).stat()
        except OSError:
            return
        if known is None or not os.path.samestat(known.status, status):
            self._gathered.sealed = open_sealed(self._shelf, self._view, self._column) or known

"""Reads what is sealed of one view, as it was when it was opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from teachers.bank.columns import Halves, Ids, Mask
from teachers.bank.compaction import seal
from teachers.bank.merged_column import ColumnFiles
from teachers.bank.sealed_file import CorruptBlocks
from teachers.bank.shelf import Shelf


class StoredView:
    """The sealed answers to one view.

    To open it seals what dead writers left and marks the view as used now. An answer that is
    absent then stays absent here, though others go on storing.
    """

    def __init__(self, shelf: Shelf, view: int) -> None:
        self._shelf = shelf
        self._view = view
        seal(shelf, view)
        columns = [ColumnFiles(shelf, view, column) for column in shelf.columns]
        self._files = {each.column: each.open_sealed() for each in columns}
        for column in columns:
            if self._files[column.column] is not None:
                with suppress(OSError):
                    os.utime(column.sealed_path)
            elif column.sealed_path.exists():
                seal(shelf, view, repair=True)

    def present(self, ids: Ids) -> Mask:
        """Whether the answers to ``ids`` [B] are here, in all columns."""
        found = np.ones(len(ids), np.bool_)
        for file in self._files.values():
            found &= False if file is None else file.present(ids)
        return found

    def read(self, ids: Ids) -> dict[str, Halves]:
        """By column the values [B, *shape] of ``ids`` [B], all of which are present.

        Raises:
            CorruptBlocks: some do not match their checksums; they are not present any more.
        """
        try:
            return {
                column.name: column.decode(file.rows(ids))
                for column, file in self._files.items()
                if file is not None
            }
        except CorruptBlocks:
            seal(self._shelf, self._view, repair=True)
            raise


def is_filled(shelf: Shelf, views: Iterable[int], ids: Ids) -> bool:
    """Whether the answers to ``ids`` are sealed in all ``views``; marks these as used now."""
    return all(bool(StoredView(shelf, view).present(ids).all()) for view in views)

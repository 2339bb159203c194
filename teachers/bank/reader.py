"""Reads what is sealed, as it was when it was opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Self

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Column, Halves
from teachers.bank.compaction import is_sealed, open_sealed, seal
from teachers.bank.id_bitmap import Ids
from teachers.bank.sealed_file import BlocksSpoilt, SealedFile
from teachers.bank.shelf import Shelf


class BlockSpoilt(Exception):
    """A block was not as it was sealed; it is discarded, and its ids are not present any more."""


class StoredView:
    """The sealed answers to one view.

    What is absent now stays absent here, though others go on storing.
    """

    def __init__(self, shelf: Shelf, view: int, files: Mapping[Column, SealedFile | None]) -> None:
        self._shelf = shelf
        self._view = view
        self._files = files

    @classmethod
    def open(cls, shelf: Shelf, view: int) -> Self:
        """Opens what is sealed, after sealing what dead writers left; marks it as used now."""
        seal(shelf, view)
        files = {column: open_sealed(shelf, view, column) for column in shelf.columns}
        for column, file in files.items():
            if file is not None:
                with suppress(OSError):
                    os.utime(file.path)
            elif is_sealed(shelf, view, column):
                seal(shelf, view, mend=True)
        return cls(shelf, view, files)

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether the answers to ``ids`` [B] are here, in all columns."""
        found = np.ones(len(ids), np.bool_)
        for file in self._files.values():
            found &= False if file is None else file.present(ids)
        return found

    def read(self, ids: Ids) -> dict[str, Halves]:
        """By column the values [B, *shape] of ``ids`` [B], all of which are present.

        Raises:
            BlockSpoilt: some are not as they were sealed; those are discarded, and absent now.
        """
        try:
            return {
                column.name: column.decode(file.rows(ids))
                for column, file in self._files.items()
                if file is not None
            }
        except BlocksSpoilt as error:
            seal(self._shelf, self._view, mend=True)
            raise BlockSpoilt(str(error)) from error


def filled(shelf: Shelf, views: Iterable[int], ids: Ids) -> bool:
    """Whether the answers to ``ids`` are sealed in all ``views``; marks these as used now."""
    return all(bool(StoredView.open(shelf, view).present(ids).all()) for view in views)

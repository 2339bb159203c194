"""Gathers one column of one view from where it lies: the sealed file, then journals, first first.

What a journal adds to that is found by a number for each id: which journal, which byte.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Rows
from teachers.bank.journal import Ids, JournalTail
from teachers.bank.sealed_file import SealedFile

_OFFSET_BITS = 40
"""A journal of a terabyte, and eight million of them, fit in 63 bits."""


class Gathered:
    """The rows of one column, wherever they lie."""

    def __init__(self, samples: int, row_bytes: int) -> None:
        self.sealed: SealedFile | None = None
        self.row_bytes = row_bytes
        self._tails: list[JournalTail] = []
        # 0 is nowhere: pages of ids that no journal has are never touched, so cost no memory.
        self._places = np.zeros(samples, np.int64)

    def join(self, tail: JournalTail) -> int:
        """Takes a journal in, from which ``told`` tells; gives its number."""
        self._tails.append(tail)
        return len(self._tails)

    def told(self, number: int, ids: Ids, offset: int) -> None:
        """Notes that a journal has rows of ``ids`` [B] from ``offset`` on; the first is kept."""
        places = (number << _OFFSET_BITS) + offset + np.arange(len(ids)) * self.row_bytes
        new = self._places[ids] == 0
        # Backwards, so that of an id that comes twice the first place stays.
        self._places[ids[new][::-1]] = places[new][::-1]

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each of ``ids`` [B] is there; sealed ones are verified when first touched."""
        found = self._sealed(ids)
        found |= self._places[ids] != 0
        return found

    def rows(self, ids: Ids) -> Rows:
        """The rows [B, row_bytes] of ``ids`` [B], all of which are present."""
        result = np.empty((len(ids), self.row_bytes), np.uint8)
        sealed = self._sealed(ids)
        if self.sealed is not None and sealed.any():
            result[sealed] = self.sealed.rows(ids[sealed])
        owners = np.where(sealed, 0, self._places[ids] >> _OFFSET_BITS)
        offsets = self._places[ids] & ((1 << _OFFSET_BITS) - 1)
        for number in np.unique(owners[~sealed]).tolist():
            of_this = owners == number
            result[of_this] = self._tails[number - 1].rows(offsets[of_this])
        return result

    def all_ids(self) -> Ids:
        """All ids that are there, ascending; every sealed block is verified."""
        journalled = np.flatnonzero(self._places).astype(np.int64)
        if self.sealed is None:
            return journalled
        return np.union1d(self.sealed.good_ids(), journalled)

    def close(self) -> None:
        """Lets go of the journals."""
        for tail in self._tails:
            tail.close()

    def _sealed(self, ids: Ids) -> npt.NDArray[np.bool_]:
        if self.sealed is None:
            return np.zeros(len(ids), np.bool_)
        return self.sealed.sound(ids)

"""Which ids a sealed file holds, and in which row each stands: a bit for each id.

A directory of the bits that are set before each word of 64 makes the row a matter of one count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teachers.bank.sealed_head import WORD, words_for

_WORD = np.dtype("<u8")

Ids = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


def words_of(ids: Ids, samples: int) -> Words:
    """The words [ceil(samples / 64)] with the bits of ``ids`` [B] set."""
    flags = np.zeros(words_for(samples) * WORD, np.bool_)
    flags[ids] = True
    return np.packbits(flags, bitorder="little").view(_WORD)


class Presence:
    """Looks up ids in ``words``; what is counted beforehand is 4 bytes for 64 ids."""

    def __init__(self, words: Words) -> None:
        self.words = words
        counts = np.bitwise_count(words)
        self._before = np.cumsum(counts, dtype=np.uint32) - counts
        self.total = int(counts.sum(dtype=np.int64))

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each of ``ids`` [B] is there."""
        bits: npt.NDArray[np.bool_] = (self._shifted(ids) & np.uint64(1)).astype(np.bool_)
        return bits

    def rows(self, ids: Ids) -> npt.NDArray[np.int64]:
        """The row of each of ``ids`` [B], all of which are there."""
        below = (np.uint64(1) << (ids.astype(np.uint64) % np.uint64(WORD))) - np.uint64(1)
        words = ids // WORD
        result: npt.NDArray[np.int64] = self._before[words].astype(np.int64) + np.bitwise_count(
            self.words[words] & below
        )
        return result

    def ids(self) -> Ids:
        """All ids that are there, ascending."""
        flags = np.unpackbits(self.words.view(np.uint8), bitorder="little")
        return np.flatnonzero(flags).astype(np.int64)

    def _shifted(self, ids: Ids) -> Words:
        result: Words = self.words[ids // WORD] >> (ids.astype(np.uint64) % np.uint64(WORD))
        return result

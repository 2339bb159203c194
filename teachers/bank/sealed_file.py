"""A sealed file: rows by ascending id, a bit for each id, a checksum for each block of rows.

It is mapped, never read whole: an open one costs bits for each id, and its pages are shared by
all processes. A block is verified when it is first touched. No sealed file is ever changed: the
sealer puts another in its place, and whoever has this one mapped keeps it.
"""

from __future__ import annotations

import mmap
import os
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Rows
from teachers.bank.id_bitmap import Ids, Presence
from teachers.bank.sealed_head import (
    FORMAT,
    HEAD,
    MAGIC,
    SUM,
    FileSpoilt,
    blocks_of,
    index_bytes,
    rows_in_block,
    sealed_bytes,
    words_for,
)  # fmt: skip

_WORD, _SUMS = np.dtype("<u8"), np.dtype("<u4")


class BlocksSpoilt(Exception):
    """Blocks whose bytes are not those that were sealed; ``blocks`` are their numbers."""

    def __init__(self, path: Path, blocks: Ids) -> None:
        super().__init__(f"{len(blocks)} of the blocks in '{path}' are spoilt")
        self.path = path
        self.blocks = blocks


def index_of(
    identity: bytes, samples: int, row_bytes: int, presence: Presence, sums: bytes
) -> bytes:
    """All that stands before the rows; ``sums`` are the blocks' checksums (uint32 each)."""
    head = HEAD.pack(MAGIC, FORMAT, row_bytes, identity, samples, presence.total)
    index = head + presence.words.tobytes() + sums
    return index + SUM.pack(zlib.crc32(index))


class SealedFile:
    """A sealed file as it is at this moment.

    Raises:
        FileNotFoundError: there is none.
        FileSpoilt: its head is damaged, or it belongs elsewhere.
    """

    def __init__(self, path: Path, identity: bytes, row_bytes: int, samples: int) -> None:
        self.path = path
        handle = os.open(path, os.O_RDONLY)
        try:
            self.status = os.fstat(handle)
            if self.status.st_size < HEAD.size:
                raise FileSpoilt(f"'{path}' is cut off")
            self._map = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)
        expected = (MAGIC, FORMAT, row_bytes, identity, samples)
        *given, count = HEAD.unpack_from(self._map)
        if tuple(given) != expected:
            raise FileSpoilt(f"'{path}' belongs elsewhere, or its head is damaged")
        self._open_index(samples, count, row_bytes)
        self.block_rows = rows_in_block(row_bytes)
        self._verified = np.zeros(len(self._sums), np.bool_)
        self._spoilt = np.zeros(len(self._sums), np.bool_)

    def _open_index(self, samples: int, count: int, row_bytes: int) -> None:
        if count > samples or self.status.st_size != sealed_bytes(samples, count, row_bytes):
            raise FileSpoilt(f"'{self.path}' is not as long as its head says")
        end = index_bytes(samples, count, row_bytes) - SUM.size
        if zlib.crc32(memoryview(self._map)[:end]) != SUM.unpack_from(self._map, end)[0]:
            raise FileSpoilt(f"the index of '{self.path}' is damaged")
        words = words_for(samples)
        self.presence = Presence(np.frombuffer(self._map, _WORD, words, HEAD.size))
        blocks = blocks_of(count, row_bytes)
        self._sums = np.frombuffer(self._map, _SUMS, blocks, HEAD.size + words * _WORD.itemsize)
        rows = np.frombuffer(self._map, np.uint8, count * row_bytes, end + SUM.size)
        self._rows = rows.reshape(count, row_bytes)
        if self.presence.total != count:
            raise FileSpoilt(f"'{self.path}' has {self.presence.total} ids for {count} rows")

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each of ``ids`` [B] is there, and not in a block that was found spoilt."""
        found = self.presence.present(ids)
        if self._spoilt.any():
            found[found] = ~self._spoilt[self.presence.rows(ids[found]) // self.block_rows]
        return found

    def sound(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each of ``ids`` [B] is there and can be read; its block is verified now."""
        found = self.presence.present(ids)
        self._verify(self.presence.rows(ids[found]) // self.block_rows)
        return self.present(ids) if self._spoilt.any() else found

    def rows(self, ids: Ids) -> Rows:
        """The rows [B, row_bytes] of ``ids`` [B], all of which are present.

        Raises:
            BlocksSpoilt: some stand in blocks that are spoilt; they are not present any more.
        """
        positions = self.presence.rows(ids)
        blocks = positions // self.block_rows
        self._verify(blocks)
        if len(bad := blocks[self._spoilt[blocks]]):
            raise BlocksSpoilt(self.path, np.unique(bad))
        result: Rows = self._rows[positions]
        return result

    def spoilt_blocks(self) -> Ids:
        """Verifies every block; gives the numbers of those that are spoilt."""
        self._verify(np.arange(len(self._sums)))
        return np.flatnonzero(self._spoilt).astype(np.int64)

    def good_ids(self) -> Ids:
        """The ids, ascending, of all rows whose block is as it was sealed."""
        spoilt = self.spoilt_blocks()
        ids = self.presence.ids()
        return ids[~np.isin(np.arange(len(ids)) // self.block_rows, spoilt)]

    def _verify(self, blocks: Ids) -> None:
        for block in np.unique(blocks[~self._verified[blocks]]).tolist():
            rows = self._rows[block * self.block_rows : (block + 1) * self.block_rows]
            self._spoilt[block] = zlib.crc32(rows.data) != self._sums[block]
            self._verified[block] = True

"""A sealed file: rows by ascending id, a bit for each id, a checksum for each block of rows.

``head, a bit for each id, a checksum for each block of rows, the checksum of all that, rows``.
It is mapped, never read whole: an open one costs bits for each id, and its pages are shared by
all processes. A block is verified when it is first read. No sealed file is ever changed: the
sealer puts another in its place, and a process that has this one mapped continues to read it.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from students.durable_files import atomic_writer
from teachers.bank.columns import Ids, Mask, Rows

FORMAT = 1
_MAGIC = b"SHSEALED"
_HEAD = struct.Struct("<8sII32sQQ")
"""Magic, format, bytes of a row, identity, samples that have an id, rows."""
_SUM = struct.Struct("<I")
BLOCK_BYTES = 2**16
"""About so many bytes have one checksum: some 30 us to verify when they are first read."""
_WORD_BITS = 64
_WORD, _SUMS = np.dtype("<u8"), np.dtype("<u4")

Words = npt.NDArray[np.uint64]


class CorruptFile(Exception):
    """A sealed file whose head is damaged, or that belongs elsewhere: nothing in it is read."""


class CorruptBlocks(Exception):
    """Blocks of a sealed file do not match their checksums; their ids are not present any more."""


@dataclass(frozen=True)
class RowFormat:
    """What the files of one column of one view hold: rows of ``row_bytes`` for ids below
    ``samples``. ``identity`` (32 bytes) stands in the head of each of them."""

    identity: bytes
    row_bytes: int
    samples: int

    @property
    def words(self) -> int:
        """How many words of 64 bits have a bit for each id."""
        return -(-self.samples // _WORD_BITS)

    @property
    def block_rows(self) -> int:
        """How many rows share a checksum."""
        return max(1, BLOCK_BYTES // self.row_bytes)

    def blocks(self, rows: int) -> int:
        """How many blocks ``rows`` rows make."""
        return -(-rows // self.block_rows)

    def index_bytes(self, rows: int) -> int:
        """The size of what stands before the rows in a sealed file of ``rows``."""
        return _HEAD.size + self.words * _WORD.itemsize + (self.blocks(rows) + 1) * _SUM.size

    def sealed_bytes(self, rows: int) -> int:
        """The size of a sealed file of ``rows``."""
        return self.index_bytes(rows) + rows * self.row_bytes


class IdBitmap:
    """Which ids a sealed file holds, a bit each, and in which row each of them stands.

    The number of bits set before each word of 64 makes the row a matter of one count, at 4 bytes
    for 64 ids.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        counts = np.bitwise_count(words)
        self._before = np.cumsum(counts, dtype=np.uint32) - counts
        self.total = int(counts.sum(dtype=np.int64))

    @classmethod
    def of(cls, ids: Ids, samples: int) -> IdBitmap:
        """The bitmap of ``ids`` [B], which are below ``samples``."""
        flags = np.zeros(-(-samples // _WORD_BITS) * _WORD_BITS, np.bool_)
        flags[ids] = True
        return cls(np.packbits(flags, bitorder="little").view(_WORD))

    def present(self, ids: Ids) -> Mask:
        """Whether each of ``ids`` [B] is there."""
        shifted = self.words[ids // _WORD_BITS] >> (ids % _WORD_BITS).astype(np.uint64)
        bits: Mask = (shifted & np.uint64(1)).astype(np.bool_)
        return bits

    def rows(self, ids: Ids) -> Ids:
        """The row of each of ``ids`` [B], all of which are there."""
        words = ids // _WORD_BITS
        below = (np.uint64(1) << (ids % _WORD_BITS).astype(np.uint64)) - np.uint64(1)
        within = np.bitwise_count(self.words[words] & below)
        result: Ids = self._before[words].astype(np.int64) + within
        return result

    def ids(self) -> Ids:
        """All ids that are there, ascending."""
        flags = np.unpackbits(self.words.view(np.uint8), bitorder="little")
        return np.flatnonzero(flags).astype(np.int64)


def read_head(path: Path) -> tuple[RowFormat, int]:
    """What the head of a sealed file says: the format and number of its rows.

    Raises:
        FileNotFoundError: there is none.
        CorruptFile: it is no head of this format.
    """
    with path.open("rb") as file:
        return _unpack_head(path, file.read(_HEAD.size))


def _unpack_head(path: Path, head: bytes) -> tuple[RowFormat, int]:
    if len(head) < _HEAD.size:
        raise CorruptFile(f"'{path}' is cut off")
    magic, version, row_bytes, identity, samples, rows = _HEAD.unpack(head)
    if (magic, version) != (_MAGIC, FORMAT) or row_bytes == 0:
        raise CorruptFile(f"'{path}' is no sealed file of this format, or its head is damaged")
    return RowFormat(identity, row_bytes, samples), rows


def write_sealed(path: Path, row_format: RowFormat, ids: Ids, read: Callable[[Ids], Rows]) -> None:
    """Replaces the file at ``path`` by one of the rows that ``read`` returns for ascending ``ids``.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    bitmap = IdBitmap.of(ids, row_format.samples)
    sums = np.zeros(row_format.blocks(len(ids)), _SUMS)
    step = row_format.block_rows
    with atomic_writer(path) as file:
        file.write(_index(row_format, bitmap, sums.tobytes()))
        for block in range(len(sums)):
            rows = read(ids[block * step : (block + 1) * step])
            sums[block] = zlib.crc32(rows.data)
            file.write(rows.data)
        file.seek(0)
        file.write(_index(row_format, bitmap, sums.tobytes()))


def _index(row_format: RowFormat, bitmap: IdBitmap, sums: bytes) -> bytes:
    form = row_format
    head = (_MAGIC, FORMAT, form.row_bytes, form.identity, form.samples, bitmap.total)
    index = _HEAD.pack(*head) + bitmap.words.tobytes() + sums
    return index + _SUM.pack(zlib.crc32(index))


class SealedFile:
    """A sealed file as it is at this moment.

    Raises:
        FileNotFoundError: there is none.
        CorruptFile: its head is damaged, or it belongs elsewhere.
    """

    def __init__(self, path: Path, row_format: RowFormat) -> None:
        self.path = path
        self._format = row_format
        with path.open("rb") as file:
            found, count = _unpack_head(path, file.read(_HEAD.size))
            if found != row_format:
                raise CorruptFile(f"'{path}' belongs elsewhere, or its head is damaged")
            self.status = os.fstat(file.fileno())
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._open_index(count)
        self._verified = np.zeros(len(self._sums), np.bool_)
        self._corrupt = np.zeros(len(self._sums), np.bool_)

    def _open_index(self, count: int) -> None:
        form = self._format
        if count > form.samples or self.status.st_size != form.sealed_bytes(count):
            raise CorruptFile(f"'{self.path}' is not as long as its head says")
        begin = form.index_bytes(count)
        end = begin - _SUM.size
        if zlib.crc32(memoryview(self._map)[:end]) != _SUM.unpack_from(self._map, end)[0]:
            raise CorruptFile(f"the index of '{self.path}' is damaged")
        self.bitmap = IdBitmap(np.frombuffer(self._map, _WORD, form.words, _HEAD.size))
        sums = _HEAD.size + form.words * _WORD.itemsize
        self._sums = np.frombuffer(self._map, _SUMS, form.blocks(count), sums)
        content = np.frombuffer(self._map, np.uint8, count * form.row_bytes, begin)
        self._rows = content.reshape(count, form.row_bytes)
        if self.bitmap.total != count:
            raise CorruptFile(f"'{self.path}' has {self.bitmap.total} ids for {count} rows")

    def present(self, ids: Ids) -> Mask:
        """Whether each of ``ids`` [B] is there, and not in a block that was found corrupt."""
        found = self.bitmap.present(ids)
        if self._corrupt.any():
            found[found] = ~self._corrupt[self._blocks_of(ids[found])]
        return found

    def readable(self, ids: Ids) -> Mask:
        """Whether each of ``ids`` [B] is there and can be read; its block is verified now."""
        self._verify(self._blocks_of(ids[self.bitmap.present(ids)]))
        return self.present(ids)

    def rows(self, ids: Ids) -> Rows:
        """The rows [B, row_bytes] of ``ids`` [B], all of which are present.

        Raises:
            CorruptBlocks: some stand in blocks that do not match their checksums.
        """
        blocks = self._blocks_of(ids)
        self._verify(blocks)
        if corrupt := len(np.unique(blocks[self._corrupt[blocks]])):
            raise CorruptBlocks(f"{corrupt} of the blocks in '{self.path}' are corrupt")
        result: Rows = self._rows[self.bitmap.rows(ids)]
        return result

    def corrupt_blocks(self) -> int:
        """Verifies every block; returns the number of those that are corrupt."""
        self._verify(np.arange(len(self._sums)))
        return int(self._corrupt.sum())

    def intact_ids(self) -> Ids:
        """The ids, ascending, of all rows whose block matches its checksum."""
        ids = self.bitmap.ids()
        return ids[self.readable(ids)]

    def _blocks_of(self, ids: Ids) -> Ids:
        return self.bitmap.rows(ids) // self._format.block_rows

    def _verify(self, blocks: Ids) -> None:
        size = self._format.block_rows
        for block in np.unique(blocks[~self._verified[blocks]]).tolist():
            rows = self._rows[block * size : (block + 1) * size]
            self._corrupt[block] = zlib.crc32(rows.data) != self._sums[block]
            self._verified[block] = True

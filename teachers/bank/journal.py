"""Journals: what one writer appends while it lives, and others read behind it.

A journal is a head and then records: ``(count, checksums), count ids (int64), count rows``.
A record goes out in one write. What is torn (the writer was killed, the disk was full) does not
match its checksum and is never read; only the sealer deletes journals, and nobody cuts them.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from teachers.bank.columns import Rows
from teachers.bank.layout import JOURNAL
from teachers.bank.locks import hold, is_at

FORMAT = 1
_MAGIC = b"SHJOURNL"
_RECORD_MAGIC = 0x4A524543
_HEAD = struct.Struct("<8sII32s")
_RECORD = struct.Struct("<IIII")
_ID = np.dtype("<i8")

Ids = npt.NDArray[np.int64]


class Journal:
    """The journal of one writer, which holds it until ``close``.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, column: str, identity: bytes, row_bytes: int) -> None:
        while True:
            self.path = folder / f"{column}.{secrets.token_hex(8)}{JOURNAL}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._handle = os.open(self.path, flags, 0o666)
            # A sealer that came between took it for a dead one's, and deletes it.
            if hold(self._handle) and is_at(self._handle, self.path):
                break
            os.close(self._handle)
        self._end = 0
        try:
            self._write(_head(identity, row_bytes))
        except OSError:
            self.path.unlink(missing_ok=True)
            self.close()
            raise

    def append(self, ids: Ids, rows: Rows) -> int:
        """Appends rows [B, row_bytes] of samples ``ids`` [B]; gives the offset of the first.

        Raises:
            OSError: they could not be written whole, and are as if never written.
        """
        spelt_ids = np.ascontiguousarray(ids, dtype=_ID).tobytes()
        body = spelt_ids + np.ascontiguousarray(rows).tobytes()
        offset = self._end + _RECORD.size + len(spelt_ids)
        self._write(_record_head(len(ids), zlib.crc32(body)) + body)
        return offset

    def close(self) -> None:
        """Lets go of it; from then on any sealer may take it."""
        os.close(self._handle)

    def _write(self, content: bytes) -> None:
        written = os.write(self._handle, content)
        while written < len(content):
            # The disk took a part; the next write says why.
            written += os.write(self._handle, content[written:])
        self._end += written


class JournalTail:
    """Reads a journal as far as it is written, and on from there.

    Raises:
        FileNotFoundError: a sealer took it meanwhile.
    """

    def __init__(self, path: Path, identity: bytes, row_bytes: int, samples: int) -> None:
        self.path = path
        self._identity = identity
        self._row_bytes = row_bytes
        self._samples = samples
        self._handle = os.open(path, os.O_RDONLY)
        self._map: mmap.mmap | None = None
        self._bytes = np.zeros(0, np.uint8)
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; arrays that ``rows`` gave stay good."""
        os.close(self._handle)

    def take(self) -> bool:
        """Takes the journal, until it is closed, unless its writer lives."""
        return hold(self._handle) and is_at(self._handle, self.path)

    def records(self) -> Iterator[tuple[Ids, int]]:
        """What was appended whole since the last call: ids [B] and the offset of the first row."""
        if self._position == 0:
            head = _head(self._identity, self._row_bytes)
            if os.pread(self._handle, len(head), 0) != head:
                return
            self._position = len(head)
        size = os.fstat(self._handle).st_size
        while (end := self._end_of_record(size)) is not None:
            count, body_sum = self._record_at(self._position)
            start = self._position + _RECORD.size
            body = os.pread(self._handle, end - start, start)
            whole = zlib.crc32(body) == body_sum
            if not whole and end == size:
                return  # Its writer may be at it this moment.
            self._position = end
            if whole:
                ids = np.frombuffer(body, _ID, count).astype(np.int64)
                if count and ids.min() >= 0 and ids.max() < self._samples:
                    yield ids, start + count * _ID.itemsize

    def rows(self, offsets: npt.NDArray[np.int64]) -> Rows:
        """The rows [B, row_bytes] at ``offsets`` [B], which ``records`` or the writer told."""
        if len(offsets) == 0:
            return np.empty((0, self._row_bytes), np.uint8)
        if int(offsets.max()) + self._row_bytes > len(self._bytes):
            self._map = mmap.mmap(self._handle, 0, access=mmap.ACCESS_READ)
            self._bytes = np.frombuffer(self._map, np.uint8)
        every_row = np.lib.stride_tricks.as_strided(
            self._bytes,
            (len(self._bytes) - self._row_bytes + 1, self._row_bytes),
            (1, 1),
            writeable=False,
        )
        result: Rows = every_row[offsets]
        return result

    def _end_of_record(self, size: int) -> int | None:
        """Where the record ends that begins here; None if it is not there whole."""
        if self._position + _RECORD.size > size:
            return None
        count, _ = self._record_at(self._position)
        if count < 0:
            return None
        end = self._position + _RECORD.size + count * (_ID.itemsize + self._row_bytes)
        return end if end <= size else None

    def _record_at(self, position: int) -> tuple[int, int]:
        """The count and the body's checksum; a count below 0 if it is no record's head."""
        head = os.pread(self._handle, _RECORD.size, position)
        if len(head) < _RECORD.size:
            return -1, 0
        _, count, body_sum, _ = _RECORD.unpack(head)
        return (count, body_sum) if head == _record_head(count, body_sum) else (-1, 0)


def _head(identity: bytes, row_bytes: int) -> bytes:
    return _HEAD.pack(_MAGIC, FORMAT, row_bytes, identity)


def _record_head(count: int, body_sum: int) -> bytes:
    head_sum = zlib.crc32(struct.pack("<III", _RECORD_MAGIC, count, body_sum))
    return _RECORD.pack(_RECORD_MAGIC, count, body_sum, head_sum)

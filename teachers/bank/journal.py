"""Journals: what one writer appends while it lives, and other processes read behind it.

A journal is a head and then records: ``(count, checksums), count ids (int64), count rows``.
A record goes out in one write. A torn one (the writer was killed, the disk was full) does not
match its checksum and is never read. Journals are deleted by the sealer alone, and never cut.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np

from teachers.bank.columns import Ids, Rows
from teachers.bank.locks import is_file_at, try_lock
from teachers.bank.sealed_file import RowFormat
from teachers.bank.shelf import JOURNAL

FORMAT = 1
_MAGIC = b"SHJOURNL"
_RECORD_MAGIC = 0x4A524543
_HEAD = struct.Struct("<8sII32s")
_RECORD = struct.Struct("<IIII")
_ID = np.dtype("<i8")


class Journal:
    """The journal of one writer, locked until ``close``.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, column: str, row_format: RowFormat) -> None:
        while True:
            self.path = folder / f"{quote(column, safe='')}.{secrets.token_hex(8)}{JOURNAL}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._handle = os.open(self.path, flags, 0o666)
            # A sealer that came between takes it for one whose writer is dead, and deletes it.
            if try_lock(self._handle) and is_file_at(self._handle, self.path):
                break
            os.close(self._handle)
        self._end = 0
        try:
            self._write(_head(row_format))
        except OSError:
            self.path.unlink(missing_ok=True)
            self.close()
            raise

    def append(self, ids: Ids, rows: Rows) -> int:
        """Appends rows [B, row_bytes] of samples ``ids`` [B]; returns the offset of the first.

        Raises:
            OSError: they could not be written whole, and are as if never written.
        """
        id_bytes = np.ascontiguousarray(ids, dtype=_ID).tobytes()
        body = id_bytes + np.ascontiguousarray(rows).tobytes()
        offset = self._end + _RECORD.size + len(id_bytes)
        self._write(_record_head(len(ids), zlib.crc32(body)) + body)
        return offset

    def close(self) -> None:
        """Closes and unlocks it; from then on any sealer may take it."""
        os.close(self._handle)

    def _write(self, content: bytes) -> None:
        written = os.write(self._handle, content)
        while written < len(content):
            # The disk took a part; the next write raises the reason.
            written += os.write(self._handle, content[written:])
        self._end += written


class JournalTail:
    """Reads a journal as far as it is written, and later on from there.

    Raises:
        FileNotFoundError: a sealer deleted it meanwhile.
    """

    def __init__(self, path: Path, row_format: RowFormat) -> None:
        self.path = path
        self._format = row_format
        self._handle = os.open(path, os.O_RDONLY)
        self._bytes = np.zeros(0, np.uint8)
        self._position = 0

    def close(self) -> None:
        """Closes the file; arrays that ``rows`` gave stay valid."""
        os.close(self._handle)

    def try_lock(self) -> bool:
        """Locks the journal, until it is closed, unless its writer lives."""
        return try_lock(self._handle) and is_file_at(self._handle, self.path)

    def records(self) -> Iterator[tuple[Ids, int]]:
        """What was appended whole since the last call: ids [B] and the offset of the first row."""
        if self._position == 0:
            head = _head(self._format)
            if os.pread(self._handle, len(head), 0) != head:
                return
            self._position = len(head)
        size = os.fstat(self._handle).st_size
        while (record := self._next_record(size)) is not None:
            count, body_sum, end = record
            start = self._position + _RECORD.size
            body = os.pread(self._handle, end - start, start)
            whole = zlib.crc32(body) == body_sum
            if not whole and end == size:
                return  # Its writer may be writing it this moment.
            self._position = end
            if whole:
                ids = np.frombuffer(body, _ID, count).astype(np.int64)
                if count and ids.min() >= 0 and ids.max() < self._format.samples:
                    yield ids, start + count * _ID.itemsize

    def rows(self, offsets: Ids) -> Rows:
        """The rows [B, row_bytes] at ``offsets`` [B], as ``records`` or ``append`` gave them."""
        row_bytes = self._format.row_bytes
        if len(offsets) == 0:
            return np.empty((0, row_bytes), np.uint8)
        if int(offsets.max()) + row_bytes > len(self._bytes):
            mapped = mmap.mmap(self._handle, 0, access=mmap.ACCESS_READ)
            self._bytes = np.frombuffer(mapped, np.uint8)
        result: Rows = np.lib.stride_tricks.sliding_window_view(self._bytes, row_bytes)[offsets]
        return result

    def _next_record(self, size: int) -> tuple[int, int, int] | None:
        """The next record's count, its body's checksum and its end; None if it is not whole."""
        head = os.pread(self._handle, _RECORD.size, self._position)
        if len(head) < _RECORD.size:
            return None
        _, count, body_sum, _ = _RECORD.unpack(head)
        end = self._position + _RECORD.size + count * (_ID.itemsize + self._format.row_bytes)
        if head != _record_head(count, body_sum) or end > size:
            return None
        return count, body_sum, end


def _head(row_format: RowFormat) -> bytes:
    return _HEAD.pack(_MAGIC, FORMAT, row_format.row_bytes, row_format.identity)


def _record_head(count: int, body_sum: int) -> bytes:
    head_sum = zlib.crc32(struct.pack("<III", _RECORD_MAGIC, count, body_sum))
    return _RECORD.pack(_RECORD_MAGIC, count, body_sum, head_sum)

"""How a sealed file begins and how long it is: what can be told of it without opening it.

``head, a bit for each id, a checksum for each block of rows, the checksum of all that, rows``.
"""

from __future__ import annotations

import struct
from pathlib import Path

MAGIC = b"SHSEALED"
FORMAT = 1
HEAD = struct.Struct("<8sII32sQQ")
"""Magic, format, bytes of a row, identity, samples that have an id, rows."""
SUM = struct.Struct("<I")
BLOCK_BYTES = 2**16
"""About so many bytes have one checksum: some 30 us to verify on first touch."""
WORD = 64


class FileSpoilt(Exception):
    """A sealed file that is damaged in its head, or belongs elsewhere: nothing in it is read."""


def words_for(samples: int) -> int:
    """How many words of 64 bits have a bit for each of ``samples`` ids."""
    return -(-samples // WORD)


def rows_in_block(row_bytes: int) -> int:
    """How many rows share a checksum."""
    return max(1, BLOCK_BYTES // row_bytes)


def blocks_of(rows: int, row_bytes: int) -> int:
    """How many blocks ``rows`` rows make."""
    return -(-rows // rows_in_block(row_bytes))


def index_bytes(samples: int, rows: int, row_bytes: int) -> int:
    """The size of all that stands before the rows."""
    sums = blocks_of(rows, row_bytes) * SUM.size
    return HEAD.size + words_for(samples) * WORD // 8 + sums + SUM.size


def sealed_bytes(samples: int, rows: int, row_bytes: int) -> int:
    """The size of a sealed file that holds ``rows`` of ``samples`` ids."""
    return index_bytes(samples, rows, row_bytes) + rows * row_bytes


def head_of(path: Path) -> tuple[int, int, int]:
    """What a file's head says: bytes of a row, samples that have an id, rows.

    Raises:
        FileNotFoundError: there is none.
        FileSpoilt: it is no head of this format.
    """
    with path.open("rb") as file:
        head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        raise FileSpoilt(f"'{path}' is cut off")
    magic, version, row_bytes, _, samples, rows = HEAD.unpack(head)
    if (magic, version) != (MAGIC, FORMAT) or row_bytes == 0:
        raise FileSpoilt(f"'{path}' is no sealed file of this format, or its head is damaged")
    return row_bytes, samples, rows

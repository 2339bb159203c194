"""Encodes an answer's columns in rows of fixed size: whole in float16, or top k and tail.

B samples, C classes, k of them kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Halves: TypeAlias = npt.NDArray[np.float16]
Rows: TypeAlias = npt.NDArray[np.uint8]

MOST_CLASSES = 2**16
"""Class numbers are stored in two bytes."""
_HALF, _CLASS = np.dtype("<f2"), np.dtype("<u2")
_SIGN = np.uint16(0x8000)


@dataclass(frozen=True)
class Column:
    """How one column of an answer, ``shape`` float16 values a sample, is stored.

    With ``top_k`` (one axis, of classes) a row holds the k largest values, the lower class first
    among equals, and the mean and count of the others; each of these is read back as that mean.

    Raises:
        ValueError: ``top_k`` does not fit the shape.
    """

    name: str
    shape: tuple[int, ...]
    top_k: int | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None and not (
            len(self.shape) == 1 and 1 <= self.top_k < self.shape[0] <= MOST_CLASSES
        ):
            raise ValueError(
                f"top_k is {self.top_k} for values of shape {self.shape}; it must be at least 1 "
                f"and less than the number of classes, of which there may be {MOST_CLASSES}"
            )

    @property
    def stored_name(self) -> str:
        """The name of the column's files; another ``top_k`` is stored apart."""
        return self.name if self.top_k is None else f"{self.name}.top{self.top_k}"

    @property
    def row_bytes(self) -> int:
        """The bytes of one sample's row."""
        if self.top_k is None:
            return _HALF.itemsize * math.prod(self.shape)
        return (_CLASS.itemsize + _HALF.itemsize) * (self.top_k + 1)

    def encode(self, values: Halves) -> Rows:
        """The rows [B, row_bytes] of finite ``values`` [B, *shape]."""
        if values.shape[1:] != self.shape:
            raise ValueError(f"'{self.name}' has rows of {self.shape}, not {values.shape[1:]}")
        if self.top_k is not None:
            return _top_rows(values, self.top_k)
        flat = np.ascontiguousarray(values, dtype=_HALF).reshape(len(values), -1)
        return flat.view(np.uint8)

    def as_stored(self, values: Halves) -> Halves:
        """``values`` [B, *shape] as they are read back once they are stored."""
        return values if self.top_k is None else self.decode(self.encode(values))

    def decode(self, rows: Rows) -> Halves:
        """The values [B, *shape] that rows [B, row_bytes] stand for.

        What was decoded is encoded to the same rows' values again, bit for bit.
        """
        rows = np.ascontiguousarray(rows)
        if self.top_k is not None:
            return _top_values(rows, self.top_k, self.shape[0])
        halves: Halves = rows.view(_HALF).reshape(len(rows), *self.shape)
        return halves.astype(np.float16, copy=False)


def _top_rows(values_BC: Halves, k: int) -> Rows:
    values_BC = _normalize_zeros(values_BC)
    kept_Bk = _largest(values_BC, k)
    top_Bk = np.take_along_axis(values_BC, kept_Bk, axis=1)
    tail = values_BC.shape[1] - k
    sums_B = values_BC.sum(axis=1, dtype=np.float64) - top_Bk.sum(axis=1, dtype=np.float64)
    rows = np.empty((len(values_BC), 2 * (k + 1)), _CLASS)
    rows[:, :k] = kept_Bk
    rows[:, k : 2 * k] = top_Bk.view(_CLASS)
    rows[:, 2 * k] = _normalize_zeros((sums_B / tail).astype(_HALF)).view(_CLASS)
    rows[:, 2 * k + 1] = tail
    return rows.view(np.uint8)


def _top_values(rows: Rows, k: int, classes: int) -> Halves:
    fields = rows.view(_CLASS)
    halves = fields.view(_HALF)
    values_BC = np.empty((len(rows), classes), np.float16)
    values_BC[:] = halves[:, 2 * k, None]
    np.put_along_axis(values_BC, fields[:, :k].astype(np.int64), halves[:, k : 2 * k], axis=1)
    return values_BC


def _normalize_zeros(values: Halves) -> Halves:
    """-0.0 becomes 0.0: the two are one value, and must not differ in their bits."""
    bits = np.ascontiguousarray(values, dtype=_HALF).view(_CLASS)
    return np.where(bits == _SIGN, _CLASS.type(0), bits).view(_HALF)


def _largest(values_BC: Halves, k: int) -> npt.NDArray[np.int64]:
    """The classes [B, k] of the k largest values, descending, the lower class first of equals."""
    bits = values_BC.view(_CLASS)
    ascending = np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(np.uint32)
    classes = np.arange(values_BC.shape[1], dtype=np.uint32)
    # Value and class in one number, no two alike: so a partial sort is as good as a stable one.
    keys_BC = (ascending << np.uint32(16)) | (np.uint32(MOST_CLASSES - 1) - classes)
    keys_Bk = np.partition(keys_BC, values_BC.shape[1] - k, axis=1)[:, -k:]
    keys_Bk = np.sort(keys_Bk, axis=1)[:, ::-1]
    return (MOST_CLASSES - 1) - (keys_Bk & np.uint32(0xFFFF)).astype(np.int64)

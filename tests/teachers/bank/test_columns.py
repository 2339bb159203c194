"""A column is stored in a fixed number of bytes and read back as the same bits every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from teachers.bank.columns import Column, Halves
from tests.teachers.bank.shelves import LOGITS, TAP, answers, some

FINITE = st.floats(-65504, 65504, width=16) | st.sampled_from([0.0, -0.0, 1.0, 1.5, -1.0])


def logits(classes: int) -> st.SearchStrategy[Halves]:
    return arrays.arrays(np.float16, (3, classes), elements=FINITE)


def bits(values: Halves) -> bytes:
    return values.tobytes()


@pytest.mark.parametrize("column", [LOGITS, TAP, Column("tap.none", ())])
def test_whole_column_returns_every_bit(column: Column) -> None:
    values = answers(some(20), column)
    rows = column.encode(values)
    assert rows.shape == (20, column.row_bytes)
    assert (rows.dtype, column.row_bytes) == (np.uint8, values[0].nbytes)
    assert bits(column.decode(rows)) == bits(values)


@given(logits(9))
def test_negative_zero_is_stored_in_a_whole_column(values: Halves) -> None:
    column = Column("logits", (9,))
    assert bits(column.decode(column.encode(values))) == bits(values)


def test_top_k_keeps_the_largest_and_the_mean_of_the_rest() -> None:
    column = Column("logits", (5,), 2)
    values = np.array([[1, 5, -2, 4, 3]], np.float16)
    assert column.row_bytes == 2 * 4 + 4
    back = column.decode(column.encode(values))[0]
    assert (back[1], back[3]) == (5, 4)
    assert back[[0, 2, 4]].tolist() == [np.float16(2 / 3)] * 3


def test_row_holds_classes_by_falling_value_then_values_then_the_tail() -> None:
    row = Column("logits", (5,), 2).encode(np.array([[1, 5, -2, 4, 3]], np.float16))
    fields = row.view("<u2")[0]
    assert fields[:2].tolist() == [1, 3]
    assert fields[2:5].view("<f2").tolist() == [5, 4, np.float16(2 / 3)]
    assert fields[5] == 3, "the tail's count"


def test_lower_class_is_stored_among_equals() -> None:
    row = Column("logits", (4,), 2).encode(np.array([[7, 7, 7, 7]], np.float16))
    assert row.view("<u2")[0, :2].tolist() == [0, 1]


@settings(max_examples=300)
@given(logits(9), st.integers(1, 8))
def test_what_was_read_back_is_stored_bit_for_bit(values: Halves, k: int) -> None:
    column = Column("logits", (9,), k)
    once = column.decode(column.encode(values))
    assert bits(column.decode(column.encode(once))) == bits(once)
    assert np.isfinite(once).all()


@given(logits(9), st.integers(1, 8))
def test_stored_values_are_the_largest(values: Halves, k: int) -> None:
    column = Column("logits", (9,), k)
    fields = column.encode(values).view("<u2")
    kept = np.take_along_axis(values, fields[:, :k].astype(np.int64), axis=1)
    assert (kept == -np.sort(-values, axis=1)[:, :k]).all()
    rest = values.astype(np.float64).sum(axis=1) - kept.astype(np.float64).sum(axis=1)
    mean = fields[:, 2 * k].view("<f2").astype(np.float64)
    assert mean == pytest.approx(rest / (9 - k), rel=1e-3, abs=0.1)


def test_another_top_k_is_stored_under_another_name() -> None:
    assert [Column("logits", (5,), k).stored_name for k in (None, 2)] == ["logits", "logits.top2"]


def test_most_classes_fit() -> None:
    column = Column("logits", (2**16,), 1)
    values = np.zeros((1, 2**16), np.float16)
    values[0, -1] = 3
    assert np.flatnonzero(column.decode(column.encode(values))).tolist() == [2**16 - 1]


@pytest.mark.parametrize(("shape", "k"), [((5,), 0), ((5,), 5), ((5, 2), 1), ((2**16 + 1,), 1)])
def test_top_k_that_does_not_fit_is_refused(shape: tuple[int, ...], k: int) -> None:
    with pytest.raises(ValueError, match=f"top_k is {k} for values of shape"):
        Column("logits", shape, k)


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'logits' has rows of \(10,\), not \(9,\)"):
        LOGITS.encode(np.zeros((3, 9), np.float16))

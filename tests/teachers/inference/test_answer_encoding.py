"""What encoding preserves of an answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachers.inference.answer_encoding import LARGEST, NotNumbers, decode, encode, out_of_range


def test_an_answer_is_rounded_to_the_nearest_half() -> None:
    # 2049 lies between the neighbours 2048 and 2050 of half precision.
    values = torch.tensor([0.1, 1.0, 2049.5, -2047.4])
    assert encode(values).dtype == np.float16
    assert decode(encode(values)).tolist() == [0.0999755859375, 1.0, 2050.0, -2047.0]


def test_what_is_too_large_becomes_the_largest() -> None:
    values = torch.tensor([1e9, -1e9, float("inf"), float("-inf")])
    assert decode(encode(values)).tolist() == [LARGEST, -LARGEST, LARGEST, -LARGEST]
    assert LARGEST == 65504.0


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(NotNumbers, match="not numbers") as caught:
        encode(torch.tensor([[1.0, 2.0], [3.0, float("nan")], [float("nan"), 0.0]]))
    assert caught.value.row == 1


@given(st.lists(st.floats(-60000, 60000, width=16), min_size=1))
def test_a_stored_answer_is_read_back_as_it_is(values: list[float]) -> None:
    once = decode(encode(torch.tensor(values)))
    assert once.tolist() == values
    assert torch.equal(decode(encode(once)), once)


def test_a_decoded_answer_is_a_copy_that_can_be_written() -> None:
    shipped = np.ones(3, np.float16)
    shipped.flags.writeable = False
    tensor = decode(shipped)
    tensor[0] = 5
    assert shipped[0] == 1
    assert tensor.dtype == torch.float32


def test_what_float16_cannot_hold_is_said_of_logits_and_layers() -> None:
    fits = torch.tensor([[LARGEST, -1e9], [0.0, -torch.inf]])
    assert out_of_range({"logits": fits, "tap.fc": fits[:, :1]}) == ""
    found = out_of_range({"logits": fits + 1e5, "tap.fc": -fits[:, :1] * 10})
    assert found.startswith("its logits reach 1.66e+05 and its fc reach 6.55e+05, beyond 65504, ")

"""Weights that the recipe gives as numbers, and the rule that gives them to every sample."""

from __future__ import annotations

import pytest
import torch

from teachers.weighting.constant import Fixed, Uniform, fixed_weights
from teachers.weighting.random_choice import RandomChoice
from tests.teachers.weighting.micro_batches import NAMES, SHARES, random_batch, weights


def test_weights_are_in_the_order_of_the_teachers() -> None:
    reversed_shares = dict(reversed(SHARES.items()))
    assert Fixed(weights=reversed_shares).given_weights(NAMES) == (0.5, 0.3, 0.2)
    assert RandomChoice(weights=reversed_shares).given_weights(NAMES) == (0.5, 0.3, 0.2)
    assert RandomChoice().given_weights(NAMES) == Uniform().given_weights(NAMES) == (1 / 3,) * 3


def test_weights_that_sum_to_nearly_one_are_normalized() -> None:
    thirds = Fixed(weights=dict.fromkeys(NAMES, 0.333333))
    assert sum(thirds.given_weights(NAMES)) == pytest.approx(1.0, abs=1e-15)


def test_every_sample_has_the_given_weights_to_the_bit() -> None:
    expected = torch.tensor([0.5, 0.3, 0.2])[:, None].expand(3, 6)
    assert torch.equal(weights(Fixed(weights=SHARES), random_batch(0)), expected)


def test_teachers_that_are_present_keep_their_proportions() -> None:
    present = torch.tensor([[True, True], [False, True], [True, False]])
    found = fixed_weights(torch.tensor([0.5, 0.3, 0.2]), present)
    torch.testing.assert_close(found, torch.tensor([[5 / 7, 5 / 8], [0.0, 3 / 8], [2 / 7, 0.0]]))

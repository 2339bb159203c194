"""Weights as numbers, and the two rules that give them to every sample."""

from __future__ import annotations

import pytest
import torch

from teachers.config import Fixed, RandomChoice, Uniform
from teachers.weighting.fixed import fixed_weights
from teachers.weighting.given import given_weights
from tests.teachers.weighting.micro_batches import NAMES, SHARES, drawn, weights


def test_weights_stand_in_the_order_of_the_teachers() -> None:
    turned = dict(reversed(SHARES.items()))
    assert given_weights(Fixed(weights=turned), NAMES) == (0.5, 0.3, 0.2)
    assert given_weights(RandomChoice(weights=turned), NAMES) == (0.5, 0.3, 0.2)
    assert given_weights(RandomChoice(), NAMES) == given_weights(Uniform(), NAMES) == (1 / 3,) * 3


def test_what_the_last_digits_lack_of_one_is_made_up() -> None:
    thirds = Fixed(weights=dict.fromkeys(NAMES, 0.333333))
    assert sum(given_weights(thirds, NAMES)) == pytest.approx(1.0, abs=1e-15)


def test_every_sample_has_the_given_weights_to_the_bit() -> None:
    expected = torch.tensor([0.5, 0.3, 0.2])[:, None].expand(3, 6)
    assert torch.equal(weights(Fixed(weights=SHARES), drawn(0)), expected)


def test_what_is_present_keeps_its_proportions() -> None:
    present = torch.tensor([[True, True], [False, True], [True, False]])
    found = fixed_weights(torch.tensor([0.5, 0.3, 0.2]), present)
    torch.testing.assert_close(found, torch.tensor([[5 / 7, 5 / 8], [0.0, 3 / 8], [2 / 7, 0.0]]))

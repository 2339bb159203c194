"""How K answers become the knowledge about one micro-batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from students.knowledge import Answer
from teachers.config import Fixed, Uniform
from teachers.ensemble import Ensemble
from teachers.weighting import teacher_weights

NAMES = ("wide", "deep", "third")


def answer(value: float, **taps: float) -> Answer:
    logits = np.full((2, 4), value, np.float16)
    return Answer(logits, {n: np.full((2, 3, 1, 1), v, np.float16) for n, v in taps.items()}, 0.0)


def test_answers_stand_in_the_order_of_the_names_with_taps_under_theirs() -> None:
    ensemble = Ensemble(NAMES, 4, Uniform())
    knowledge = ensemble.gather([answer(1.0), answer(2.0, layer=7.0), answer(3.0)])
    assert knowledge.logits.shape == (3, 2, 4)
    assert knowledge.logits[:, 0, 0].tolist() == [1.0, 2.0, 3.0]
    assert knowledge.logits.dtype == torch.float32
    assert {name: set(taps) for name, taps in knowledge.taps.items()} == {
        "wide": set(), "deep": {"layer"}, "third": set(),
    }  # fmt: skip
    assert torch.equal(knowledge.taps["deep"]["layer"], torch.full((2, 3, 1, 1), 7.0))
    assert knowledge.known.shape == (3, 4)
    assert knowledge.present.shape == (3, 2)
    assert bool(knowledge.known.all())
    assert bool(knowledge.present.all())


def test_fixed_weights_stand_beside_their_teachers_whatever_order_they_were_said_in() -> None:
    weighting = Fixed(weights={"third": 1.0, "wide": 3.0, "deep": 0.0})
    weights = Ensemble(NAMES, 4, weighting).gather([answer(0.0)] * 3).weights
    assert weights.tolist() == [[0.75, 0.75], [0.0, 0.0], [0.25, 0.25]]


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=6))
def test_weights_sum_to_one_and_keep_their_proportions(given_weights: list[float]) -> None:
    names = [f"t{place}" for place in range(len(given_weights))]
    weighting = Fixed(weights=dict(zip(names, given_weights, strict=True)))
    weights = teacher_weights(weighting, names)
    assert sum(weights) == pytest.approx(1.0)
    for weight, said in zip(weights, given_weights, strict=True):
        assert weight / weights[0] == pytest.approx(said / given_weights[0])
    assert teacher_weights(Uniform(), names) == (1 / len(names),) * len(names)

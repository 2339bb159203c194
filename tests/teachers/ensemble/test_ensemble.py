"""How K answers are combined into the knowledge about one micro-batch."""

from __future__ import annotations

import numpy as np
import torch

from students.knowledge import Answer, Question
from teachers.ensemble.ensemble import Ensemble
from teachers.weighting.constant import Fixed, Uniform

NAMES = ("wide", "deep", "third")


ASKED = Question(view=0, sample_ids=np.array([5, 7], np.int64))


def answer(value: float, **taps: float) -> Answer:
    logits = np.full((2, 4), value, np.float16)
    tapped = {f"tap.{n}": np.full((2, 3, 1, 1), v, np.float16) for n, v in taps.items()}
    return Answer({"logits": logits} | tapped)


def test_answers_are_in_the_order_of_the_names_and_taps_under_their_teachers() -> None:
    ensemble = Ensemble(NAMES, 4, Uniform())
    knowledge = ensemble.combine_answers(ASKED, [answer(1.0), answer(2.0, layer=7.0), answer(3.0)])
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


def test_fixed_weights_are_matched_to_teachers_by_name() -> None:
    weighting = Fixed(weights={"third": 0.25, "wide": 0.75, "deep": 0.0})
    weights = Ensemble(NAMES, 4, weighting).combine_answers(ASKED, [answer(0.0)] * 3).shares
    assert weights.tolist() == [[0.75, 0.75], [0.0, 0.0], [0.25, 0.25]]

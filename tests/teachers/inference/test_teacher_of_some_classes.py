"""A teacher of some classes answers for all of them, with every inference config."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from students.knowledge import LOGITS, Tap
from students.models.in_a_row import PlainCnn
from students.models.network import UNKNOWN
from teachers.bank.columns import Column
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from tests.students.models.test_class_map import CLASSES, TOTAL, network, pictures

FOREIGN = [name for name in range(TOTAL) if name not in CLASSES]
CONFIGS = [
    plain(1),
    plain(1, "bf16"),
    replace(plain(1), channels_last=True, folded=True),
    replace(plain(1), forward_batch=3),
]


@pytest.mark.parametrize("inference", CONFIGS, ids=str)
def test_with_every_config_the_same_classes_are_unknown(
    inference: InferenceConfig,
) -> None:
    made = network(model=PlainCnn(channels=(3, 3)))
    taps = (Tap("stage1", "pool"),)
    answer = Teacher(made, inference=inference).answer(pictures(7), taps)
    usual = Teacher(made, inference=plain(1)).answer(pictures(7), taps)
    assert bool((answer.logits[:, FOREIGN] == np.float16(UNKNOWN)).all())
    assert np.allclose(answer.logits, usual.logits, atol=0.05)
    assert answer.taps["stage1:pool"].shape == (7, 3)


@pytest.mark.parametrize("top_k", [3, 5, 9])
def test_as_many_as_it_covers_are_exact_among_the_largest(top_k: int) -> None:
    logits = Teacher(network(), inference=plain(1)).answer(pictures()).logits
    assert np.array_equal(Column(LOGITS, (TOTAL,), top_k).as_stored(logits), logits)

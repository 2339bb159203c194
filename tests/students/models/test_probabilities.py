"""Outputs that are probabilities are distinguished from logits, however few or weak they are."""

from __future__ import annotations

import pytest
import torch

from students.errors import ModelError
from students.models.probabilities import check_logits, squashed_by

LOGITS = 3 * torch.randn(40, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 100.0])
def test_a_softmax_is_seen_from_two_samples_on(temperature: float) -> None:
    outputs = (LOGITS / temperature).softmax(1)
    assert squashed_by(outputs) == squashed_by(outputs[:2]) == "softmax"
    assert squashed_by(outputs.half()) == squashed_by(outputs.bfloat16()) == "softmax"
    assert squashed_by(100 * outputs) == "softmax"


def test_a_sigmoid_is_seen_where_it_comes_near_both_ends() -> None:
    assert squashed_by(LOGITS.sigmoid()) == "sigmoid"
    assert squashed_by((LOGITS / 100).sigmoid()) == "", "an untrained model may give such logits"
    assert squashed_by(LOGITS[:3].sigmoid()) == "", "by chance"


@pytest.mark.parametrize(
    "logits",
    [
        LOGITS, LOGITS.relu(), LOGITS + 40_000, LOGITS.log_softmax(1), LOGITS.exp(),
        LOGITS / 100 + 0.5, torch.full((40, 10), 0.1), LOGITS.softmax(1)[:1], torch.zeros(40, 10),
        LOGITS.abs()[:, :1] * torch.inf,
    ],
)  # fmt: skip
def test_logits_are_not_taken_for_probabilities(logits: torch.Tensor) -> None:
    assert squashed_by(logits) == ""


def test_a_model_in_training_that_returns_probabilities_is_refused() -> None:
    check_logits(LOGITS, "student.model")
    with pytest.raises(ModelError, match=r"`student\.model` returns probabilities, not logits"):
        check_logits(LOGITS.softmax(1), "student.model")

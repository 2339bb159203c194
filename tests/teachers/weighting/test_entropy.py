"""The teacher of the highest, or lowest, entropy."""

from __future__ import annotations

from dataclasses import replace

import torch

from teachers.weighting.entropy import MaxEntropy, MinEntropy, entropies
from tests.golden.cases import golden, tensor
from tests.teachers.weighting.micro_batches import micro_batch, weights


def test_golden_case_in_double_precision() -> None:
    case = golden("teacher_entropy_selection")
    logits = tensor(case.inputs["teacher_logits"])
    values = entropies(logits, torch.ones(3, 4, dtype=torch.bool))
    torch.testing.assert_close(values, tensor(case.expected["entropy"]).T, rtol=1e-9, atol=0)
    batch = micro_batch(logits)
    assert weights(MaxEntropy(), batch).argmax(dim=0).tolist() == case.expected["argmax"]
    assert weights(MinEntropy(), batch).argmax(dim=0).tolist() == case.expected["argmin"]


def test_the_temperature_of_terms_does_not_matter() -> None:
    """At temperature 4 the second teacher would have the lower entropy."""
    one, other = [6.0, 0.0, 0.0, 0.0], [8.0, 7.0, -30.0, -30.0]
    logits = torch.tensor([[one], [other]])
    every = torch.ones(2, 4, dtype=torch.bool)
    assert entropies(logits, every).argmin(dim=0).tolist() == [0]
    assert entropies(logits / 4, every).argmin(dim=0).tolist() == [1]
    assert weights(MinEntropy(), micro_batch(logits), ("a", "b")).tolist() == [[1.0], [0.0]]


def test_teachers_that_tie_share_equally() -> None:
    logits = torch.tensor([[[1.0, 2.0]], [[2.0, 1.0]], [[0.0, 9.0]]])
    assert weights(MaxEntropy(), micro_batch(logits)).flatten().tolist() == [0.5, 0.5, 0.0]


def test_classes_that_a_teacher_does_not_cover_are_left_out() -> None:
    logits = torch.tensor([[[0.0, 0.0, -1e4, 7.0]], [[0.0, 0.0, 0.0, 0.0]]])
    known = torch.tensor([[True, True, False, False], [True, True, True, True]])
    found = entropies(logits, known)
    torch.testing.assert_close(found, torch.tensor([[2.0], [4.0]]).log())
    batch = replace(micro_batch(logits), known=known)
    assert weights(MaxEntropy(), batch, ("a", "b")).flatten().tolist() == [0.0, 1.0]

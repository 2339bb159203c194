"""Who is least sure, or surest."""

from __future__ import annotations

from dataclasses import replace

import torch

from teachers.config import MaxEntropy, MinEntropy
from teachers.weighting.entropy import entropies
from tests.golden.cases import golden, tensor
from tests.teachers.weighting.micro_batches import said, weights


def test_golden_case_in_double_precision() -> None:
    case = golden("teacher_entropy_selection")
    logits = tensor(case.inputs["teacher_logits"])
    found = entropies(logits, torch.ones(3, 4, dtype=torch.bool))
    torch.testing.assert_close(found, tensor(case.expected["entropy"]).T, rtol=1e-9, atol=0)
    some = said(logits)
    assert weights(MaxEntropy(), some).argmax(dim=0).tolist() == case.expected["argmax"]
    assert weights(MinEntropy(), some).argmax(dim=0).tolist() == case.expected["argmin"]


def test_the_temperature_of_terms_does_not_matter() -> None:
    """At temperature 4 the second teacher would be the surer one: more classes trail behind."""
    one, other = [6.0, 0.0, 0.0, 0.0], [8.0, 7.0, -30.0, -30.0]
    logits = torch.tensor([[one], [other]])
    every = torch.ones(2, 4, dtype=torch.bool)
    assert entropies(logits, every).argmin(dim=0).tolist() == [0]
    assert entropies(logits / 4, every).argmin(dim=0).tolist() == [1]
    assert weights(MinEntropy(), said(logits), ("a", "b")).tolist() == [[1.0], [0.0]]


def test_teachers_that_tie_share_equally() -> None:
    logits = torch.tensor([[[1.0, 2.0]], [[2.0, 1.0]], [[0.0, 9.0]]])
    assert weights(MaxEntropy(), said(logits)).flatten().tolist() == [0.5, 0.5, 0.0]


def test_classes_that_a_teacher_does_not_know_are_left_out() -> None:
    logits = torch.tensor([[[0.0, 0.0, -1e4, 7.0]], [[0.0, 0.0, 0.0, 0.0]]])
    known = torch.tensor([[True, True, False, False], [True, True, True, True]])
    found = entropies(logits, known)
    torch.testing.assert_close(found, torch.tensor([[2.0], [4.0]]).log())
    some = replace(said(logits), known=known)
    assert weights(MaxEntropy(), some, ("a", "b")).flatten().tolist() == [0.0, 1.0]

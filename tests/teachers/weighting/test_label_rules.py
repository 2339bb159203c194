"""Rules that look at the label: confidence, correct_only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from teachers.config import Confidence, CorrectOnly, Uniform
from teachers.weighting.confidence import confidence_weights
from tests.golden.cases import golden, tensor
from tests.teachers.weighting.micro_batches import drawn, said, weigh, weights

GOLDEN = golden("teacher_entropy_selection")


def test_confidence_is_the_share_of_the_labels_probability() -> None:
    logits = tensor(GOLDEN.inputs["teacher_logits"])
    labels = torch.tensor([1, 2, 0])
    some = said(logits)
    found = confidence_weights(logits, labels, some.known, some.present)
    named = torch.softmax(logits, dim=-1)[:, torch.arange(3), labels]
    torch.testing.assert_close(found, named / named.sum(dim=0), rtol=1e-12, atol=0)


def test_confidence_counts_all_the_same_where_there_is_no_label() -> None:
    some = said(drawn(0).logits, [-1] * 6)
    torch.testing.assert_close(weights(Confidence(), some), torch.full((3, 6), 1 / 3))


def test_confidence_gives_nothing_to_who_does_not_know_the_label() -> None:
    some = said(torch.zeros(3, 2, 2), [0, 1])
    known = torch.tensor([[True, False], [True, True], [True, True]])
    found = weights(Confidence(), replace(some, known=known))
    # Who knows one class alone is sure of it.
    assert found[:, 0].tolist() == [0.5, 0.25, 0.25]
    assert found[:, 1].tolist() == [0.0, 0.5, 0.5]
    nobody = torch.tensor([[True, False]] * 3)
    torch.testing.assert_close(
        weights(Confidence(), replace(some, known=nobody))[:, 1], torch.full((3,), 1 / 3)
    )


def test_correct_only_hears_those_that_name_the_label() -> None:
    right, wrong = [0.0, 3.0], [3.0, 0.0]
    logits = torch.tensor([[right, right, wrong], [right, wrong, wrong], [wrong, wrong, wrong]])
    weighed = weigh(CorrectOnly(), said(logits, [1, 1, 1]))
    assert weighed.weights is not None
    assert weighed.fallback_labels is not None
    assert weighed.weights.T.tolist() == [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert weighed.fallback_labels.tolist() == [-1, -1, 1]


def test_correct_only_counts_all_the_same_where_there_is_no_label() -> None:
    weighed = weigh(CorrectOnly(), said(drawn(0).logits, [-1] * 6))
    assert weighed.weights is not None
    assert weighed.fallback_labels is not None
    torch.testing.assert_close(weighed.weights, torch.full((3, 6), 1 / 3))
    assert weighed.fallback_labels.tolist() == [-1] * 6


def test_correct_only_of_perfect_teachers_is_the_uniform_mean() -> None:
    some = drawn(5)
    labels = torch.randint(0, 4, (6,), generator=torch.Generator().manual_seed(0))
    logits = some.logits.clone()
    logits[:, torch.arange(6), labels] = 50
    perfect = replace(some, logits=logits, labels=labels)
    assert torch.equal(weights(CorrectOnly(), perfect), weights(Uniform(), perfect))


def test_a_class_that_a_teacher_does_not_know_is_not_named_by_it() -> None:
    some = said(torch.tensor([[[0.0, 9.0]], [[0.0, 1.0]], [[1.0, 0.0]]]), [1])
    known = torch.tensor([[True, False], [True, True], [True, True]])
    found = weights(CorrectOnly(), replace(some, known=known))
    assert found.flatten().tolist() == [0.0, 1.0, 0.0]


def test_a_rule_that_needs_labels_says_so_when_it_is_given_none() -> None:
    with pytest.raises(ValueError, match="`labels` is None"):
        weigh(CorrectOnly(), said(drawn(0).logits))

"""Rules that look at the label: confidence, correct_only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from teachers.weighting.constant import Uniform
from teachers.weighting.label_rules import Confidence, CorrectOnly
from tests.golden.cases import golden, tensor
from tests.teachers.weighting.micro_batches import micro_batch, random_batch, weigh, weights

GOLDEN = golden("teacher_entropy_selection")


def test_confidence_is_proportional_to_the_labels_probability() -> None:
    logits = tensor(GOLDEN.inputs["teacher_logits"])
    labels = torch.tensor([1, 2, 0])
    found = weights(Confidence(), micro_batch(logits, labels.tolist()))
    of_label = torch.softmax(logits, dim=-1)[:, torch.arange(3), labels]
    torch.testing.assert_close(found, of_label / of_label.sum(dim=0), rtol=1e-12, atol=0)


def test_confidence_is_uniform_where_there_is_no_label() -> None:
    batch = micro_batch(random_batch(0).logits, [-1] * 6)
    torch.testing.assert_close(weights(Confidence(), batch), torch.full((3, 6), 1 / 3))


def test_confidence_gives_no_weight_to_a_teacher_that_does_not_cover_the_class() -> None:
    batch = micro_batch(torch.zeros(3, 2, 2), [0, 1])
    known = torch.tensor([[True, False], [True, True], [True, True]])
    found = weights(Confidence(), replace(batch, known=known))
    # A teacher that covers one class alone gives it probability 1.
    assert found[:, 0].tolist() == [0.5, 0.25, 0.25]
    assert found[:, 1].tolist() == [0.0, 0.5, 0.5]
    unknown = torch.tensor([[True, False]] * 3)
    torch.testing.assert_close(
        weights(Confidence(), replace(batch, known=unknown))[:, 1], torch.full((3,), 1 / 3)
    )


def test_correct_only_weighs_those_that_predict_the_label() -> None:
    right, wrong = [0.0, 3.0], [3.0, 0.0]
    logits = torch.tensor([[right, right, wrong], [right, wrong, wrong], [wrong, wrong, wrong]])
    weighed = weigh(CorrectOnly(), micro_batch(logits, [1, 1, 1]))
    assert weighed.fallback_labels is not None
    assert weighed.shares.T.tolist() == [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert weighed.fallback_labels.tolist() == [-1, -1, 1]


def test_correct_only_is_uniform_where_there_is_no_label() -> None:
    weighed = weigh(CorrectOnly(), micro_batch(random_batch(0).logits, [-1] * 6))
    assert weighed.fallback_labels is not None
    torch.testing.assert_close(weighed.shares, torch.full((3, 6), 1 / 3))
    assert weighed.fallback_labels.tolist() == [-1] * 6


def test_correct_only_of_perfect_teachers_is_the_uniform_mean() -> None:
    batch = random_batch(5)
    labels = torch.randint(0, 4, (6,), generator=torch.Generator().manual_seed(0))
    logits = batch.logits.clone()
    logits[:, torch.arange(6), labels] = 50
    perfect = replace(batch, logits=logits, labels=labels)
    assert torch.equal(weights(CorrectOnly(), perfect), weights(Uniform(), perfect))


def test_a_teacher_does_not_predict_a_class_that_it_does_not_cover() -> None:
    batch = micro_batch(torch.tensor([[[0.0, 9.0]], [[0.0, 1.0]], [[1.0, 0.0]]]), [1])
    known = torch.tensor([[True, False], [True, True], [True, True]])
    found = weights(CorrectOnly(), replace(batch, known=known))
    assert found.flatten().tolist() == [0.0, 1.0, 0.0]


def test_a_rule_that_needs_labels_raises_without_them() -> None:
    with pytest.raises(ValueError, match="`labels` is None"):
        weigh(CorrectOnly(), micro_batch(random_batch(0).logits))

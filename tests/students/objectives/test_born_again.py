"""What generations learn from each other: confidence in labels, and where the others stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from students.knowledge import Batch
from students.objectives.born_again import (
    ConfidenceWeighted,
    PermutedTargets,
    confidence_weighted_loss,
    permutation_keys,
    permute_others,
)
from students.objectives.cross_entropy import task_loss
from students.objectives.objective import build_objective
from students.objectives.soft_targets import divergence, soft_target_loss
from students.objectives.softening import soften_one
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, term, value

SEEDS = st.integers(0, 10_000)
BATCH, CLASSES = 6, 5


def _probabilities(seed: int) -> Tensor:
    drawn = torch.randn(
        BATCH, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return torch.softmax(3 * drawn, -1)


def _keys(seed: int, epoch: int = 0) -> Tensor:
    return permutation_keys(seed, epoch, np.arange(BATCH, dtype=np.int64), CLASSES)


def test_labels_weighted_by_confidence_have_the_loss_computed_independently() -> None:
    example = golden("ban_cwtm")
    student = tensor(example.inputs["student_logits"]).requires_grad_()
    teacher = soften_one(tensor(example.inputs["teacher_logits"]), 1.0)
    labels = torch.tensor(example.inputs["labels"])
    loss = confidence_weighted_loss(student, teacher, labels)
    assert loss.item() == pytest.approx(example.expected["loss"], abs=example.tol)
    (gradient,) = torch.autograd.grad(loss, student)
    of_labels = torch.softmax(student.detach(), -1) - functional.one_hot(labels, 4)
    expected = tensor(example.expected["weights"]).unsqueeze(1) * of_labels
    torch.testing.assert_close(gradient, expected, atol=example.tol, rtol=0)


def test_permuted_targets_are_those_computed_independently() -> None:
    example = golden("ban_dkpp")
    teacher = soften_one(tensor(example.inputs["teacher_logits"]), 1.0)
    order = example.inputs["permutation_of_non_argmax"]
    keys = torch.zeros_like(teacher)
    for row, top in enumerate(teacher.argmax(-1).tolist()):
        others = [each for each in range(teacher.shape[1]) if each != top]
        for rank, position in enumerate(order):
            keys[row, others[position]] = rank / 10
    target = permute_others(teacher, keys)
    expected = tensor(example.expected["target"])
    torch.testing.assert_close(target, expected, atol=example.tol, rtol=0)
    student = tensor(example.inputs["student_logits"])
    # The case is the cross-entropy: the divergence and the target's entropy.
    entropy = -torch.xlogy(target, target).sum(-1)
    loss = (divergence(student, target, temperature=1.0) + entropy).mean()
    assert loss.item() == pytest.approx(example.expected["loss"], abs=example.tol)


def test_gradient_of_a_generation_is_the_difference_of_probabilities() -> None:
    example = golden("ban_gradient_split")
    student = tensor(example.inputs["student_logits"]).requires_grad_()
    teacher = soften_one(tensor(example.inputs["teacher_logits"]), 1.0)
    loss = soft_target_loss(student, teacher, temperature=1.0)
    (gradient,) = torch.autograd.grad(loss, student)
    expected = tensor(example.expected["grad"])
    torch.testing.assert_close(len(student) * gradient, expected, atol=example.tol, rtol=0)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_one_hot_teacher_is_the_label_in_all_that_generations_learn(seed: int) -> None:
    example = case(seed, batch=BATCH, classes=CLASSES)
    one_hot = functional.one_hot(example.labels, CLASSES).double()
    expected = task_loss(example.student, example.labels)
    for loss in (
        soft_target_loss(example.student, one_hot, temperature=1.0),
        confidence_weighted_loss(example.student, one_hot, example.labels),
        soft_target_loss(example.student, permute_others(one_hot, _keys(seed)), temperature=1.0),
    ):
        torch.testing.assert_close(loss, expected)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 100))
def test_a_permutation_keeps_the_largest_where_it_is_and_all_values(seed: int, epoch: int) -> None:
    plain = _probabilities(seed)
    permuted = permute_others(plain, _keys(seed, epoch))
    top = plain.argmax(-1, keepdim=True)
    assert torch.equal(permuted.argmax(-1, keepdim=True), top)
    assert torch.equal(permuted.gather(-1, top), plain.gather(-1, top))
    assert torch.equal(permuted.sort(-1).values, plain.sort(-1).values)


def test_each_order_of_the_others_is_as_frequent() -> None:
    plain = tensor([[0.5, 0.3, 0.15, 0.05]]).expand(60_000, 4)
    keys = permutation_keys(0, 0, np.arange(60_000, dtype=np.int64), 4)
    _, counts = permute_others(plain, keys).unique(dim=0, return_counts=True)
    assert len(counts) == 6
    assert float((counts - 10_000).abs().max()) < 400


def test_a_class_without_probability_stays_without() -> None:
    plain = tensor([[0.6, 0.0, 0.3, 0.1], [0.0, 0.0, 1.0, 0.0], [0.0] * 4]).repeat(20, 1)
    permuted = permute_others(plain, permutation_keys(1, 0, np.arange(60, dtype=np.int64), 4))
    assert torch.equal(permuted > 0, plain > 0)
    assert not torch.equal(permuted, plain)


def test_a_permutation_is_a_function_of_seed_epoch_and_sample_whatever_the_batch() -> None:
    ids = np.array([7, 3, 900_000], dtype=np.int64)
    whole = permutation_keys(5, 2, ids, CLASSES)
    for row, sample in enumerate(ids):
        alone = permutation_keys(5, 2, np.array([sample]), CLASSES)
        assert torch.equal(alone[0], whole[row])
    assert not (permutation_keys(6, 2, ids, CLASSES) == whole).any()
    assert not (permutation_keys(5, 3, ids, CLASSES) == whole).any()


def test_the_objective_permutes_by_its_seed_and_epoch() -> None:
    example = case(0, teachers=1, batch=BATCH, classes=CLASSES)
    ids = np.arange(100, 100 + BATCH, dtype=np.int64)
    batch = Batch(torch.zeros(BATCH), example.labels, ids, 0)
    config = {"term": PermutedTargets(temperature=2.0)}
    objective = build_objective(config, temperature=1.0, mean="arithmetic", seed=3)
    outputs = {"logits": example.student}
    target = permute_others(
        torch.softmax(example.teachers[0] / 2, -1), permutation_keys(3, 4, ids, CLASSES)
    )
    expected = soft_target_loss(example.student, target, temperature=2.0)
    torch.testing.assert_close(objective(outputs, batch, example.knowledge, 4)[0], expected)
    other, _ = objective(outputs, batch, example.knowledge, 5)
    assert not torch.allclose(other, expected)
    norms = [objective.gradient_norms(outputs, batch, example.knowledge, epoch) for epoch in (4, 5)]
    assert norms[0] != norms[1]


def test_unlabelled_and_unanswered_samples_have_no_weight() -> None:
    example = case(1)
    of = term({"kind": "confidence_weighted"})
    labels = example.labels.clone()
    labels[0] = -1
    present = example.present.clone()
    present[:, 2] = False
    gaps = replace(example, labels=labels, present=present)
    kept = [1, 3]
    alone = replace(
        example,
        student=example.student[kept],
        teachers=example.teachers[:, kept],
        labels=labels[kept],
        weights=example.weights[:, kept],
        present=example.present[:, kept],
    )
    torch.testing.assert_close(value(of, gaps), value(of, alone))


def test_a_fallback_label_has_a_confidence_of_one() -> None:
    example = case(2)
    fallback = torch.tensor([-1, 4, -1, 2])
    silent = example.weights.masked_fill(fallback >= 0, 0.0)
    labels = torch.tensor([-1, 4, -1, 2])
    found = value(
        term({"kind": "confidence_weighted"}),
        replace(example, weights=silent, labels=labels, fallback_labels=fallback),
    )
    torch.testing.assert_close(found, task_loss(example.student, fallback))


def test_two_classes_and_single_samples_are_named_as_pointless() -> None:
    assert "permutes nothing, since" in PermutedTargets().without_gradient(2, 8)
    assert "weights nothing, since" in ConfidenceWeighted().without_gradient(10, 1)
    assert PermutedTargets().without_gradient(3, 1) == ""
    assert ConfidenceWeighted().without_gradient(2, 2) == ""
    one, two = case(3, batch=1), case(4, classes=2)
    of_labels = task_loss(one.student, one.labels)
    torch.testing.assert_close(value(term({"kind": "confidence_weighted"}), one), of_labels)
    soft = value(term({"kind": "soft_targets"}), two)
    torch.testing.assert_close(value(term({"kind": "permuted_targets"}), two), soft)

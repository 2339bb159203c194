from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.students.objectives.logit_cases import (
    TERMS,
    Case,
    case,
    hard_cases,
    partial,
    term,
    value,
)

SEEDS = st.integers(0, 10_000)
MEANS = st.sampled_from(["arithmetic", "geometric"])
TEMPERATURES = st.sampled_from([1.0, 4.0, 20.0])
EVERY_TERM = pytest.mark.parametrize("name", TERMS)
TAUGHT = pytest.mark.parametrize(
    "name", [name for name in TERMS if "virtual" not in name and name != "task"]
)


def _gradient(of, example: Case):
    student = example.student.clone().requires_grad_()
    loss = value(of, replace(example, student=student))
    (gradient,) = torch.autograd.grad(loss, student)
    return loss.detach(), gradient


def test_all_terms_on_logits_are_tested_here():
    assert set(TERMS) >= {
        "task", "virtual_teacher", "softened_virtual_teacher", "soft_targets", "standardized",
        "conditional", "decoupled", "correlation", "hard_targets", "logit_l2", "probability_l2",
    }  # fmt: skip


@EVERY_TERM
@settings(max_examples=25, deadline=None)
@given(hard_cases(), MEANS, TEMPERATURES)
def test_on_hard_cases_loss_and_gradients_are_finite(name, hard, mean, temperature):
    weights = hard.weights.clone().requires_grad_()
    example = replace(hard, weights=weights, student=hard.student.clone().requires_grad_())
    loss = value(term(TERMS[name], mean=mean, temperature=temperature), example)
    loss.backward()
    assert loss.shape == () and loss.isfinite() and loss >= -1e-3
    assert example.student.grad.isfinite().all()
    assert weights.grad is None or weights.grad.isfinite().all()


@EVERY_TERM
@settings(max_examples=8, deadline=None)
@given(SEEDS, MEANS, st.permutations([0, 1, 2]))
def test_the_order_of_teachers_does_not_matter(name, seed, mean, order):
    example, of = partial(seed), term(TERMS[name], mean=mean)
    torch.testing.assert_close(
        _gradient(of, example.teachers_only(list(order))), _gradient(of, example)
    )


@EVERY_TERM
@settings(max_examples=8, deadline=None)
@given(SEEDS, MEANS)
def test_copies_of_one_teacher_teach_what_that_teacher_does(name, seed, mean):
    example, of = case(seed), term(TERMS[name], mean=mean)
    alone = replace(example.teachers_only([0]), weights=torch.ones(1, 4, dtype=torch.float64))
    copies = replace(example.teachers_only([0, 0, 0]), weights=example.weights)
    torch.testing.assert_close(_gradient(of, copies), _gradient(of, alone))


@EVERY_TERM
@settings(max_examples=8, deadline=None)
@given(SEEDS, MEANS)
def test_what_an_absent_teacher_holds_does_not_matter(name, seed, mean):
    example, of = partial(seed), term(TERMS[name], mean=mean)
    corrupt = example.teachers.masked_fill(~example.present.unsqueeze(2), torch.nan)
    torch.testing.assert_close(
        _gradient(of, replace(example, teachers=corrupt)), _gradient(of, example)
    )


@EVERY_TERM
def test_no_gradient_reaches_a_teacher(name):
    example = case(0)
    teachers = example.teachers.clone().requires_grad_()
    student = example.student.clone().requires_grad_()
    value(term(TERMS[name]), replace(example, teachers=teachers, student=student)).backward()
    assert teachers.grad is None and student.grad.abs().sum() > 0


@TAUGHT
def test_a_gate_learns_from_the_weights_it_made_unless_the_term_asks_for_a_class_only(name):
    example = case(1)
    weights = example.weights.clone().requires_grad_()
    student = example.student.clone().requires_grad_()
    value(term(TERMS[name]), replace(example, weights=weights, student=student)).backward()
    assert (weights.grad is None) == (name == "hard_targets")


@TAUGHT
def test_without_answers_and_labels_the_gradient_is_zero(name):
    example = case(2)
    unanswered = replace(
        example,
        present=torch.zeros_like(example.present),
        weights=torch.zeros_like(example.weights),
        labels=torch.full_like(example.labels, -1),
    )
    loss, gradient = _gradient(term(TERMS[name]), unanswered)
    assert loss == 0 and not gradient.any()


@EVERY_TERM
def test_a_student_in_half_precision_is_judged_in_single(name):
    example = case(3)
    half = replace(
        example,
        student=example.student.bfloat16(),
        teachers=example.teachers.float(),
        weights=example.weights.float(),
    )
    loss = value(term(TERMS[name]), half)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, value(term(TERMS[name]), replace(half, student=half.student.float()))
    )

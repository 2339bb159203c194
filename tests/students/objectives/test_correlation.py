from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives.correlation import correlation_loss, pearson
from students.objectives.cross_entropy import task_loss
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, term, value

SEEDS = st.integers(0, 10_000)
DIST = {"kind": "correlation", "between": 2.0, "within": 1.0}


def _softened(seed):
    example = case(seed, teachers=1)
    return torch.softmax(example.student / 2, -1), torch.softmax(example.teachers[0] / 2, -1)


def _correlations(first, second):
    """Numpy's own correlation of each row, less what the released 1e-8 takes from it."""
    for a, b in zip(first, second, strict=True):
        norms = np.std(a) * np.std(b) * len(a)
        yield np.corrcoef(a, b)[0, 1] * norms / (norms + 1e-8)


def _by_the_book(student, teacher, between, within):
    """What Huang et al. print, one row and one column at a time."""
    rows = np.mean(list(_correlations(student, teacher)))
    columns = np.mean(list(_correlations(student.T, teacher.T)))
    return between * (1 - rows) + within * (1 - columns)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_loss_is_that_of_the_papers_equations(seed):
    student, teacher = _softened(seed)
    expected = _by_the_book(student.numpy(), teacher.numpy(), 2.0, 1.0)
    found = correlation_loss(student, teacher, between=2.0, within=1.0)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_term_is_the_loss_at_its_temperature_times_its_square():
    example = golden("kd_kl_T4")
    student, teacher = (
        torch.softmax(tensor(example.inputs[f"{who}_logits"]) / 4, -1)
        for who in ("student", "teacher")
    )
    whole = replace(
        case(0, teachers=1, batch=3, classes=4),
        student=tensor(example.inputs["student_logits"]),
        teachers=tensor([example.inputs["teacher_logits"]]),
    )
    expected = 16 * _by_the_book(student.numpy(), teacher.numpy(), 2.0, 1.0)
    assert value(term(DIST), whole).item() == pytest.approx(expected, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.1, 10), st.floats(-5, 5))
def test_an_affine_change_of_either_side_changes_nothing(seed, factor, shift):
    student, teacher = _softened(seed)
    plain = correlation_loss(student, teacher, between=2.0, within=1.0)
    for changed in (
        correlation_loss(factor * student + shift, teacher, between=2.0, within=1.0),
        correlation_loss(student, factor * teacher + shift, between=2.0, within=1.0),
    ):
        torch.testing.assert_close(changed, plain, rtol=1e-3, atol=1e-5)


def test_a_student_that_agrees_has_no_loss_and_one_that_reverses_has_twice_each_weight():
    _, teacher = _softened(1)
    agreeing = correlation_loss(teacher, teacher, between=2.0, within=1.0)
    assert abs(float(agreeing)) < 1e-5
    assert float(correlation_loss(-teacher, teacher, between=2.0, within=1.0)) == pytest.approx(6.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_row_correlates_with_nothing_and_has_no_gradient(dtype):
    constant = torch.full((2, 10), 0.1, dtype=dtype, requires_grad=True)
    found = pearson(constant, torch.softmax(torch.randn(2, 10, dtype=dtype), -1))
    found.sum().backward()
    assert (found.abs() < 1e-5).all() and constant.grad.isfinite().all()


def test_one_sample_teaches_over_its_classes_alone():
    example = case(2, batch=1)
    within = value(term({"kind": "correlation", "between": 0.0, "within": 1.0}), example)
    assert within == 16.0
    student = example.student.clone().requires_grad_()
    value(term(DIST), replace(example, student=student)).backward()
    assert student.grad.abs().sum() > 0


def test_samples_without_an_answer_are_left_out_and_a_fallback_label_counts_as_a_label():
    example = case(3, batch=4)
    kept = [0, 2]
    silent = example.weights.clone()
    silent[:, [1, 3]] = 0.0
    alone = replace(
        example,
        student=example.student[kept],
        teachers=example.teachers[:, kept],
        weights=example.weights[:, kept],
        present=example.present[:, kept],
    )
    half = value(term(DIST), alone) / 2
    torch.testing.assert_close(value(term(DIST), replace(example, weights=silent)), half)
    fallback_labels = torch.tensor([-1, 3, -1, 0])
    found = value(term(DIST), replace(example, weights=silent, fallback_labels=fallback_labels))
    torch.testing.assert_close(found, half + task_loss(example.student, fallback_labels) / 2)

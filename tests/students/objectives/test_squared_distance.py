from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives.squared_distance import logit_l2_loss, mean_logits, probability_l2_loss
from tests.golden.cases import golden, tensor
from tests.students.objectives.logit_cases import case, term, value


def test_loss_and_gradient_are_those_computed_independently():
    case = golden("logit_l2")
    student = tensor(case.inputs["student_logits"]).requires_grad_()
    loss = logit_l2_loss(student, tensor(case.inputs["teacher_logits"]))
    assert loss.item() == pytest.approx(
        case.expected["half_sum_over_classes_mean_batch"], abs=case.tol
    )
    loss.backward()
    torch.testing.assert_close(
        student.grad, tensor(case.expected["grad_of_half_form"]), atol=case.tol, rtol=0
    )


def test_a_shift_of_the_teachers_logits_counts_since_nothing_is_centred():
    logits = tensor([[1.0, 2.0], [3.0, 4.0]])
    assert float(logit_l2_loss(logits, logits)) == 0.0
    assert float(logit_l2_loss(logits, logits + 1.0)) == 1.0


def test_logits_that_no_teacher_covers_do_not_count():
    student = torch.zeros(1, 2, requires_grad=True)
    loss = logit_l2_loss(student, torch.tensor([[3.0, torch.nan]]), torch.tensor([[True, False]]))
    loss.backward()
    assert loss.item() == 4.5
    assert torch.equal(student.grad, torch.tensor([[-3.0, 0.0]]))


def test_mean_logits_are_weighted_among_those_present_that_cover_the_class():
    logits = tensor([[[1.0, 2.0], [1.0, 2.0]], [[5.0, 9.0], [torch.nan, torch.nan]]])
    weights = tensor([[0.75, 0.75], [0.25, 0.25]])
    known = torch.tensor([[True, False], [True, True]])
    present = torch.tensor([[True, True], [True, False]])
    mean, known_mean = mean_logits(logits, weights, known, present)
    torch.testing.assert_close(mean, tensor([[2.0, 9.0], [1.0, 0.0]]))
    assert known_mean.tolist() == [[True, True], [True, False]]


def test_loss_is_that_computed_independently():
    example = golden("prob_l2")
    teacher = torch.softmax(tensor(example.inputs["teacher_logits"]), -1)
    loss = probability_l2_loss(tensor(example.inputs["student_logits"]), teacher)
    assert loss.item() == pytest.approx(example.expected["loss"], abs=example.tol)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1e4))
def test_it_is_bounded_by_two_and_a_student_that_is_sure_learns_nothing_more(seed, spread):
    example = case(seed, spread=spread)
    loss = value(term({"kind": "probability_l2"}), example)
    assert 0 <= loss <= 2
    sure = torch.tensor([[1e4, 0.0, 0.0]], requires_grad=True)
    wrong = probability_l2_loss(sure, torch.tensor([[0.0, 1.0, 0.0]]))
    wrong.backward()
    assert wrong == 2 and not sure.grad.any()


def test_a_row_of_zeros_teaches_nothing():
    student = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    probability_l2_loss(student, torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).backward()
    assert not student.grad[0].any() and student.grad[1].any()


def test_a_fallback_label_has_probability_one_which_makes_the_loss_a_brier_score():
    example = case(1)
    fallback_labels = torch.tensor([2, 2, 2, 2])
    silent = replace(
        example, weights=torch.zeros_like(example.weights), fallback_labels=fallback_labels
    )
    missed = torch.softmax(example.student, -1)
    missed[:, 2] -= 1
    torch.testing.assert_close(
        value(term({"kind": "probability_l2"}), silent), missed.square().sum(-1).mean()
    )

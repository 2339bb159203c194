import pytest
import torch

from students.objectives.logit_l2 import logit_l2_loss, mean_logits
from tests.golden.cases import golden, tensor


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


def test_logits_that_no_teacher_knows_do_not_count():
    student = torch.zeros(1, 2, requires_grad=True)
    loss = logit_l2_loss(student, torch.tensor([[3.0, torch.nan]]), torch.tensor([[True, False]]))
    loss.backward()
    assert loss.item() == 4.5
    assert torch.equal(student.grad, torch.tensor([[-3.0, 0.0]]))


def test_mean_logits_are_weighted_among_those_who_are_present_and_know_the_class():
    logits = tensor([[[1.0, 2.0], [1.0, 2.0]], [[5.0, 9.0], [torch.nan, torch.nan]]])
    weights = tensor([[0.75, 0.75], [0.25, 0.25]])
    known = torch.tensor([[True, False], [True, True]])
    present = torch.tensor([[True, True], [True, False]])
    mean, known_mean = mean_logits(logits, weights, known, present)
    torch.testing.assert_close(mean, tensor([[2.0, 9.0], [1.0, 0.0]]))
    assert known_mean.tolist() == [[True, True], [True, False]]

import pytest
import torch

from students.objectives.task import task_loss
from tests.golden.cases import golden, tensor


def _golden_case():
    case = golden("label_smoothing")
    return case, tensor(case.inputs["student_logits"]), torch.tensor(case.inputs["labels"])


def test_smoothed_loss_is_that_computed_independently():
    case, logits, targets = _golden_case()
    loss = task_loss(logits, targets, label_smoothing=case.params["eps"])
    assert loss.item() == pytest.approx(case.expected["uniform_over_all"], abs=case.tol)


def test_smoothing_is_cross_entropy_with_a_uniform_teacher_at_that_weight():
    _, logits, targets = _golden_case()
    uniform = -torch.log_softmax(logits, 1).mean()
    expected = 0.7 * task_loss(logits, targets) + 0.3 * uniform
    torch.testing.assert_close(task_loss(logits, targets, label_smoothing=0.3), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_samples_without_a_label_do_not_count(smoothing):
    _, logits, targets = _golden_case()
    more = torch.cat([logits, tensor([[9.0, -9.0, 0.0, 1.0]])]).requires_grad_()
    loss = task_loss(more, torch.cat([targets, torch.tensor([-1])]), label_smoothing=smoothing)
    torch.testing.assert_close(loss, task_loss(logits, targets, label_smoothing=smoothing))
    (gradient,) = torch.autograd.grad(loss, more)
    assert torch.equal(gradient[3], torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_any_label_loss_and_gradient_are_exactly_zero(smoothing):
    logits = torch.randn(3, 4, requires_grad=True)
    loss = task_loss(logits, torch.full((3,), -1), label_smoothing=smoothing)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(3, 4))


def test_loss_is_in_single_precision_also_for_bfloat16_logits():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = torch.tensor([0, 1, 2])
    assert task_loss(logits, targets).dtype == torch.float32
    assert torch.equal(task_loss(logits, targets), task_loss(logits.float(), targets))

import pytest
import torch

from students.objectives.hint import hint_loss
from tests.golden.cases import golden, tensor


def test_loss_is_the_mean_square_of_the_golden_case_and_twice_the_printed_form_per_element():
    case = golden("fitnet_hint")
    regressor = tensor(case.inputs["regressor_1x1"])
    adapted = torch.einsum("dc,bchw->bdhw", regressor, tensor(case.inputs["student"]))
    hint = tensor(case.inputs["teacher"])
    loss = float(hint_loss(adapted, hint))
    assert loss == pytest.approx(case.expected["mse"], abs=case.tol)
    elements = hint[0].numel()
    assert loss * elements / 2 == pytest.approx(
        case.expected["half_sum_mean_batch"], abs=case.tol * elements
    )


def test_equal_layers_have_no_loss():
    maps = torch.randn(2, 3, 4, 4)
    assert float(hint_loss(maps, maps)) == 0.0


def test_only_samples_of_a_present_teacher_count_whatever_the_others_hold():
    adapted = torch.tensor([[1.0, 3.0], [5.0, 5.0]], requires_grad=True)
    hint = torch.tensor([[0.0, 0.0], [torch.nan, torch.inf]])
    loss = hint_loss(adapted, hint, torch.tensor([True, False]))
    loss.backward()
    assert loss.item() == 5.0
    assert torch.equal(adapted.grad, torch.tensor([[1.0, 3.0], [0.0, 0.0]]))


def test_without_the_teacher_loss_and_gradient_are_exactly_zero():
    adapted = torch.randn(2, 3, requires_grad=True)
    loss = hint_loss(adapted, torch.full((2, 3), torch.nan), torch.zeros(2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(adapted.grad, torch.zeros(2, 3))


def test_half_precision_maps_are_compared_in_single():
    adapted, hint = torch.randn(2, 3).bfloat16(), torch.randn(2, 3).half()
    loss = hint_loss(adapted, hint)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, (adapted.float() - hint.float()).square().mean())

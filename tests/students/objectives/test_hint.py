import math

import pytest
import torch

from students.objectives.hint import group_hint_loss, hint_loss
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


def _maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_loss_is_the_mean_square_between_unit_vectors_of_channels():
    adapted, hint = _maps(2, 3, 4, 4), _maps(2, 3, 4, 4, seed=1)
    cosines = torch.cosine_similarity(adapted, hint, dim=1)
    torch.testing.assert_close(group_hint_loss(adapted, hint), (2 - 2 * cosines).mean() / 3)


@pytest.mark.parametrize("shape", [(2, 5), (2, 7, 5), (2, 5, 4, 4)])
def test_length_does_not_matter_and_opposite_directions_have_the_largest_loss(shape):
    maps = _maps(*shape)
    assert group_hint_loss(3 * maps, maps).item() == pytest.approx(0, abs=1e-12)
    assert group_hint_loss(-maps, 5 * maps).item() == pytest.approx(4 / 5, rel=1e-6)


def test_of_tokens_the_last_axis_has_the_channels():
    tokens = _maps(2, 7, 5)
    scaled = tokens * torch.arange(1.0, 8).view(1, 7, 1)
    assert group_hint_loss(scaled, tokens).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-13, 1e4])
def test_zero_tiny_and_large_vectors_have_finite_gradients(value, dtype):
    adapted = torch.full((2, 3, 2, 2), value).to(dtype).requires_grad_()
    hint = _maps(2, 3, 2, 2)
    hint[0] = 0
    loss = group_hint_loss(adapted, hint)
    loss.backward()
    assert loss.dtype == torch.float32 and bool(loss.isfinite())
    assert bool(adapted.grad.isfinite().all())
    if value < 1e-12:
        assert torch.equal(adapted.grad, torch.zeros_like(adapted))


def test_an_absent_teachers_hint_does_not_matter():
    adapted, hint = _maps(3, 4, 2, 2), _maps(3, 4, 2, 2, seed=1)
    expected = group_hint_loss(adapted[:2], hint[:2])
    hint[2] = math.nan
    adapted.requires_grad_()
    loss = group_hint_loss(adapted, hint, torch.tensor([True, True, False]))
    loss.backward()
    torch.testing.assert_close(loss.detach(), expected)
    assert torch.equal(adapted.grad[2], torch.zeros(4, 2, 2))
    assert bool(adapted.grad.isfinite().all())

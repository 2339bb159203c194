import math

import pytest
import torch

from students.objectives.multi_group_hint import group_hint_loss


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

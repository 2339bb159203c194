import torch
from hypothesis import given
from hypothesis import strategies as st

from students.training.parameter_constraints import max_norm


def test_a_unit_that_is_too_long_is_scaled_down_and_the_others_are_not():
    value = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    changed = max_norm(2.0)("model.layer.weight", value)
    assert torch.allclose(changed, torch.tensor([[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]]))
    assert torch.equal(changed[1:], value[1:])


def test_a_kernels_unit_is_one_of_its_output_channels():
    value = torch.ones(2, 3, 2, 2)
    value[1] = 0.1
    changed = max_norm(1.0)("model.conv.weight", value)
    assert torch.allclose(changed[0].square().sum(), torch.tensor(1.0))
    assert torch.equal(changed[1], value[1])


def test_parameters_within_the_limit_are_not_written():
    assert max_norm(5.0)("model.layer.weight", torch.tensor([[3.0, 4.0]])) is None


def test_biases_and_adapters_are_not_limited():
    change = max_norm(0.1)
    assert change("model.layer.bias", torch.tensor([9.0])) is None
    assert change("adapters.near.weight", torch.full((2, 2), 9.0)) is None


@given(st.floats(0.01, 10), st.integers(0, 100))
def test_no_unit_is_longer_than_the_limit_and_directions_are_kept(largest, seed):
    value = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed)) * 3
    changed = max_norm(largest)("model.w", value)
    kept = value if changed is None else changed
    assert (torch.linalg.vector_norm(kept, dim=1) <= largest * (1 + 1e-5)).all()
    assert torch.allclose(torch.cosine_similarity(kept, value), torch.ones(5))

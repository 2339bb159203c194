import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from students.errors import ObjectiveError
from students.objectives.adapters import Embedding, build_adapter, can_bridge

SIZES = st.integers(1, 9)


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, SIZES, SIZES)
def test_maps_of_any_sizes_are_brought_to_the_hints(c, h, w, hint_c, hint_h, hint_w):
    adapter = build_adapter((c, h, w), (hint_c, hint_h, hint_w), seed=0)
    assert can_bridge((c, h, w), (hint_c, hint_h, hint_w)) is None
    assert adapter(torch.randn(2, c, h, w)).shape == (2, hint_c, hint_h, hint_w)


@pytest.mark.parametrize(
    ("guided", "hint"), [((6,), (4,)), ((6, 5, 5), (4,)), ((7, 6), (7, 4)), ((6,), (6,))]
)
def test_vectors_pooled_maps_and_tokens_are_brought_to_the_hints(guided, hint):
    adapter = build_adapter(guided, hint, seed=0)
    assert adapter(torch.randn(2, *guided)).shape == (2, *hint)


@pytest.mark.parametrize(
    ("guided", "hint", "remedy"),
    [
        ((16,), (64, 8, 8), "reduction: pool"),
        ((7, 16), (8, 16), "same number of positions"),
        ((16, 4, 4), (49, 64), "(C, H, W) or (D)"),
    ],
)
def test_shapes_without_an_adapter_are_refused_with_both_and_a_remedy(guided, hint, remedy):
    problem = can_bridge(guided, hint)
    assert str(guided) in problem and str(hint) in problem and remedy in problem
    with pytest.raises(ObjectiveError) as caught:
        build_adapter(guided, hint, seed=0, name="near")
    assert problem in str(caught.value) and caught.value.path == "objective.near"


@pytest.mark.parametrize("hint", [(4, 4, 4), (4, 3, 3), (4, 8, 8), (4, 16, 16), (4,)])
def test_an_adapter_is_linear_and_keeps_a_constant_layer_constant(hint):
    adapter = build_adapter((3, 8, 8), hint, seed=1).double()
    one, other = torch.randn(2, 2, 3, 8, 8, dtype=torch.float64)
    zero = adapter(torch.zeros_like(one))
    torch.testing.assert_close(
        adapter(2 * one - 3 * other) - zero,
        2 * (adapter(one) - zero) - 3 * (adapter(other) - zero),
    )
    constant = adapter(torch.full_like(one, 0.7)).view(2, 4, -1)
    torch.testing.assert_close(constant, constant[..., :1].expand_as(constant))


def test_a_smaller_hint_sees_the_average_of_its_window():
    adapter = build_adapter((1, 4, 4), (1, 2, 2), seed=0)
    convolution = next(part for part in adapter if isinstance(part, nn.Conv2d))
    with torch.no_grad():
        convolution.weight.fill_(1.0)
        convolution.bias.fill_(0.0)
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    torch.testing.assert_close(adapter(maps), torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]))


def test_initial_weights_depend_on_seed_and_name_alone():
    def weights(seed, name):
        return build_adapter((6,), (4,), seed=seed, name=name).weight

    first = weights(3, "near")
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(weights(3, "near"), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(weights(4, "near"), first)
    assert not torch.equal(weights(3, "far"), first)


@pytest.mark.parametrize("shape", [(6, 5, 5), (7, 6), (6,)])
def test_an_embedding_is_one_vector_of_whatever_a_layer_gives_and_learns_nothing(shape):
    features = torch.randn(2, *shape)
    positions = {(6, 5, 5): (2, 3), (7, 6): (1,), (6,): ()}[shape]
    expected = features.mean(positions) if positions else features
    torch.testing.assert_close(Embedding()(features), expected)
    assert not list(Embedding().parameters())

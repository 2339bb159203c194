"""Numbers drawn for samples: even, normal, and the same in any batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from teachers.weighting.random_draws import gaussians, origins, uniforms

MANY = np.arange(50_000, dtype=np.int64)


def test_uniform_numbers_are_spread_evenly_and_never_zero() -> None:
    found = uniforms(origins(3, MANY), 4)
    assert found.shape == (50_000, 4)
    assert found.min() > 0
    assert found.max() <= 1
    for column in found.T:
        counts, _ = np.histogram(column, 10, (0, 1))
        assert np.abs(counts - 5000).max() < 300


def test_gaussian_numbers_have_the_moments_of_the_normal_distribution() -> None:
    found = gaussians(origins(3, MANY), 3)
    assert found.shape == (50_000, 3)
    assert np.abs(found.mean(axis=0)).max() < 0.02
    assert np.abs(found.std(axis=0) - 1).max() < 0.02
    assert np.abs((found**4).mean(axis=0) - 3).max() < 0.2
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.02


def test_neighbours_epochs_and_seeds_are_unrelated() -> None:
    one, other = (gaussians(origins(seed, MANY), 1)[:, 0] for seed in (3, 4))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.02


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 2**62), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_a_sample_has_the_same_numbers_to_the_bit_in_any_batch(
    ids: list[int], count: int, order: object
) -> None:
    every = np.array(ids, np.int64)
    begin = origins(9, every)
    whole = gaussians(begin, count)
    picked = np.array(order.sample(range(len(ids)), max(1, len(ids) // 2)))  # type: ignore[attr-defined]
    assert np.array_equal(gaussians(origins(9, every[picked]), count), whole[picked])
    assert np.array_equal(gaussians(begin[picked[:1]], count), whole[picked[:1]])

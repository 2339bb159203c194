import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from students.randomness import generator, hash_ids, seed_of


def test_a_seed_depends_on_every_part_of_its_name():
    names = [(1, "a", "b"), (1, "ab"), (1, "a", 1), (1, "a", "1"), (2, "a", "b"), (1, "b", "a")]
    assert len({seed_of(*name) for name in names}) == len(names)


def test_seeds_are_the_same_on_every_machine():
    assert seed_of(7, "teachers", "wide") == 3196146716099375243
    assert generator(0, "order", 0).permutation(5).tolist() == [1, 2, 3, 0, 4]


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_a_sample_has_the_same_hash_in_every_batch(ids):
    together = hash_ids(3, np.array(ids))
    alone = [hash_ids(3, np.array([i]))[0] for i in ids]
    assert together.tolist() == alone


def test_hashes_spread_evenly_and_streams_are_independent():
    ids = np.arange(20_000)
    one, two = hash_ids(0, ids, 0) % 9, hash_ids(0, ids, 1) % 9
    counts = np.histogram2d(one.astype(float), two.astype(float), bins=9)[0]
    assert counts.min() > 180
    assert counts.max() < 320

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from students.transfer_sets.splits import apportion, class_counts, share_of, take

counts_of_classes = st.lists(st.integers(1, 60), min_size=2, max_size=8)


def shuffled_targets(counts, seed=0):
    targets = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    return np.random.default_rng(seed).permutation(targets)


@settings(deadline=None)
@given(counts=counts_of_classes, share=st.floats(0, 1))
def test_apportioned_parts_add_up_and_lie_within_one_of_their_quota(counts, share):
    counts = np.array(counts, np.int64)
    total = round(share * int(counts.sum()))
    dealt = apportion(total, counts)
    assert dealt.sum() == total
    assert (dealt <= counts).all() and (dealt >= 0).all()
    assert (np.abs(dealt - total * counts / counts.sum()) < 1 + 1e-9).all()


def test_equal_remainders_go_to_the_lower_class():
    assert apportion(3, np.array([2, 2, 2, 2])).tolist() == [1, 1, 1, 0]


def test_a_share_leaves_one_of_each_class_but_none_of_an_absent_one():
    counts = np.array([1, 9, 0, 105, 104], np.int64)
    assert share_of(0.1, counts).tolist() == [1, 1, 0, 10, 10]
    assert share_of(1.0, counts).tolist() == counts.tolist()


@settings(deadline=None)
@given(counts=counts_of_classes, seed=st.integers(0, 100), share=st.floats(0.01, 1))
def test_take_gives_each_class_its_quota_and_more_contains_less(counts, seed, share):
    targets = shuffled_targets(counts)
    ids = np.arange(1000, 1000 + len(targets), dtype=np.int64)
    have = class_counts(targets, len(counts))
    less, more = share_of(share / 2, have), share_of(share, have)
    few = take(ids, targets, less, seed=seed, part="x")
    many = take(ids, targets, more, seed=seed, part="x")
    assert class_counts(targets[few - 1000], len(counts)).tolist() == less.tolist()
    assert class_counts(targets[many - 1000], len(counts)).tolist() == more.tolist()
    assert set(few) <= set(many)
    assert np.array_equal(many, np.unique(many))


def test_the_order_of_ids_does_not_choose():
    targets = shuffled_targets([30, 30])
    ids = np.arange(60, dtype=np.int64)
    turned = np.random.default_rng(1).permutation(60)
    quotas = np.array([7, 8])
    first = take(ids, targets, quotas, seed=3, part="x")
    assert np.array_equal(first, take(ids[turned], targets[turned], quotas, seed=3, part="x"))


def test_another_seed_or_another_part_chooses_others():
    targets, ids = shuffled_targets([300, 300]), np.arange(600, dtype=np.int64)
    quotas = np.array([30, 30])
    first = set(take(ids, targets, quotas, seed=0, part="x"))
    for other in ({"seed": 1, "part": "x"}, {"seed": 0, "part": "y"}):
        # Two independent draws of a tenth share a tenth of their samples.
        assert len(first & set(take(ids, targets, quotas, **other))) < 20

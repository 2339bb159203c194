import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from students.transfer_sets.sampler import BatchSampler


def sampler(n: int, batch: int, micro: int, epochs: int = 2, seed: int = 0) -> BatchSampler:
    return BatchSampler(np.arange(100, 100 + n), batch, micro, epochs, seed, view_of=lambda e: e)


def test_an_epoch_sees_every_sample_and_its_last_batch_is_full():
    ids = sampler(109, 64, 64).epoch_ids(0)
    assert len(ids) == 128
    assert set(ids) == set(range(100, 209))
    assert np.array_equal(ids[109:], ids[:19])


def test_each_epoch_has_another_order_and_another_seed_too():
    assert not np.array_equal(sampler(50, 10, 10).epoch_ids(0), sampler(50, 10, 10).epoch_ids(1))
    assert not np.array_equal(
        sampler(50, 10, 10, seed=0).epoch_ids(0), sampler(50, 10, 10, seed=1).epoch_ids(0)
    )


@given(
    n=st.integers(1, 200),
    micro=st.integers(1, 8),
    per_rank=st.integers(1, 4),
    ranks=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 5),
)
def test_micro_batches_do_not_depend_on_the_number_of_ranks(n, micro, per_rank, ranks, seed):
    whole = sampler(n, micro * per_rank * ranks, micro, seed=seed)
    alone = [
        (m.step, m.index, m.question.view, tuple(m.question.sample_ids))
        for m in whole.micro_batches_of(0, 1, 0)
    ]
    shared = [
        (m.step, m.index, m.question.view, tuple(m.question.sample_ids))
        for rank in range(ranks)
        for m in whole.micro_batches_of(rank, ranks, 0)
    ]
    assert sorted(alone) == sorted(shared)


@pytest.mark.parametrize("first", [0, 1, 3, 5])
def test_going_on_at_a_step_is_the_tail_of_the_whole(first):
    whole = sampler(30, 12, 4)
    tail = list(whole.micro_batches_of(0, 1, first))
    every = [m for m in whole.micro_batches_of(0, 1, 0) if m.step >= first]
    assert [m.index for m in tail] == [m.index for m in every]
    for one, other in zip(tail, every, strict=True):
        assert np.array_equal(one.question.sample_ids, other.question.sample_ids)

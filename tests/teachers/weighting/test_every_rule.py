"""What every weighting rule promises: sums, symmetry, copies, absence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.objectives.softening import soften
from teachers.config import Adaptive, Fixed, RandomChoice, Weighting
from tests.teachers.weighting.micro_batches import KINDS, NAMES, SHARES, drawn, weigh, weights
from tests.teachers.weighting.micro_batches import without as without_them

kinds = pytest.mark.parametrize("weighting", KINDS, ids=lambda kind: kind.kind)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
orders = st.permutations(range(3))


@kinds
@few
@given(seeds)
def test_weights_sum_to_one_or_the_label_stands_in(weighting: Weighting, seed: int) -> None:
    some = drawn(seed)
    weighed = weigh(weighting, some)
    assert weighed.weights is not None
    assert bool((weighed.weights >= 0).all())
    stands_in = (
        torch.zeros(6)
        if weighed.fallback_labels is None
        else (weighed.fallback_labels >= 0).float()
    )
    torch.testing.assert_close(weighed.weights.sum(dim=0), 1 - stands_in)


@kinds
@few
@given(seeds, orders)
def test_permuting_teachers_permutes_weights(
    weighting: Weighting, seed: int, order: list[int]
) -> None:
    some = drawn(seed)
    other = replace(some, logits=some.logits[order], known=some.known[order])
    turned = weights(weighting, other, tuple(NAMES[place] for place in order))
    torch.testing.assert_close(turned, weights(weighting, some)[order])


@kinds
@few
@given(seeds)
def test_copies_of_one_teacher_are_that_teacher(weighting: Weighting, seed: int) -> None:
    some = drawn(seed)
    copies = replace(some, logits=some.logits[:1].expand(3, -1, -1))
    weighed = weigh(weighting, copies)
    assert weighed.weights is not None
    counted = weighed.weights.sum(dim=0) > 0
    alone = torch.softmax(some.logits[0] / 4, dim=-1)
    for mean in ("arithmetic", "geometric"):
        target = soften(
            copies.logits, weighed.weights, copies.known, copies.present, temperature=4.0, mean=mean
        )
        torch.testing.assert_close(target[counted], alone[counted])


@kinds
@few
@given(seeds)
def test_the_absent_count_nothing_whatever_their_logits_hold(
    weighting: Weighting, seed: int
) -> None:
    some = drawn(seed)
    present = torch.ones(3, 6, dtype=torch.bool)
    present[1, :3] = False
    present[2, 2:] = False
    found = weigh(weighting, without_them(some, present))
    assert found.weights is not None
    assert bool(torch.isfinite(found.weights).all())
    assert float(found.weights[~present].abs().sum()) == 0
    told = torch.zeros(6) if found.fallback_labels is None else (found.fallback_labels >= 0).float()
    torch.testing.assert_close(found.weights.sum(dim=0), 1 - told)


@kinds
def test_where_nobody_is_present_all_weights_are_zero(weighting: Weighting) -> None:
    some = drawn(1)
    nobody = without_them(some, torch.zeros(3, 6, dtype=torch.bool))
    assert weights(weighting, nobody).tolist() == [[0.0] * 6] * 3


@kinds
@pytest.mark.parametrize("size", [1e4, 0.0, 6e4])
def test_hard_logits_give_finite_weights(weighting: Weighting, size: float) -> None:
    some = drawn(2)
    found = weights(weighting, replace(some, logits=some.logits.sign() * size))
    assert bool(torch.isfinite(found).all())


@kinds
def test_one_sample_and_one_teacher_are_weighed_like_any(weighting: Weighting) -> None:
    some = drawn(3, samples=1, teachers=1)
    one = Fixed(weights={"wide": 1.0}) if weighting.kind == "fixed" else weighting
    if isinstance(one, RandomChoice):
        one = RandomChoice(per=one.per)
    assert weights(one, some, ("wide",)).tolist() == [[1.0]]


@kinds
@few
@given(seeds, st.permutations(range(6)))
def test_a_sample_is_weighed_the_same_in_any_company(
    weighting: Weighting, seed: int, order: list[int]
) -> None:
    if weighting == RandomChoice(per="batch", weights=SHARES):
        return
    some = drawn(seed)
    assert some.labels is not None
    picked = order[:4]
    part = replace(
        some,
        logits=some.logits[:, picked],
        present=some.present[:, picked],
        labels=some.labels[picked],
        sample_ids=some.sample_ids[picked],
    )
    assert torch.equal(weights(weighting, part), weights(weighting, some)[:, picked])


def test_the_students_gate_weighs_by_itself() -> None:
    assert weigh(Adaptive(), drawn(4)).weights is None

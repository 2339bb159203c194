"""What every weighting rule promises: sums, symmetry, copies, absence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from students.knowledge import Knowledge
from students.objectives.softening import soften
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Fixed
from teachers.weighting.random_choice import RandomChoice
from teachers.weighting.rule import WeightingRule
from tests.teachers.weighting.micro_batches import (
    NAMES,
    RULES,
    SHARES,
    random_batch,
    weigh,
    weights,
    with_present,
)

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
orders = st.permutations(range(3))


@every_rule
@few
@given(seeds)
def test_weights_sum_to_one_or_the_label_replaces_them(rule: WeightingRule, seed: int) -> None:
    batch = random_batch(seed)
    weighed = weigh(rule, batch)
    assert bool((weighed.shares >= 0).all())
    torch.testing.assert_close(weighed.shares.sum(dim=0), 1 - replaced(weighed))


def replaced(knowledge: Knowledge) -> Tensor:
    """1 for each sample whose label replaces the teachers' answers, 0 for others."""
    if knowledge.fallback_labels is None:
        return torch.zeros(knowledge.present.shape[1])
    return (knowledge.fallback_labels >= 0).float()


@every_rule
@few
@given(seeds, orders)
def test_permuting_teachers_permutes_weights(
    rule: WeightingRule, seed: int, order: list[int]
) -> None:
    batch = random_batch(seed)
    other = replace(batch, logits=batch.logits[order], known=batch.known[order])
    permuted = weights(rule, other, tuple(NAMES[index] for index in order))
    torch.testing.assert_close(permuted, weights(rule, batch)[order])


@every_rule
@few
@given(seeds)
def test_copies_of_one_teacher_are_that_teacher(rule: WeightingRule, seed: int) -> None:
    batch = random_batch(seed)
    copies = replace(batch, logits=batch.logits[:1].expand(3, -1, -1))
    weighed = weigh(rule, copies)
    counted = weighed.shares.sum(dim=0) > 0
    alone = torch.softmax(batch.logits[0] / 4, dim=-1)
    for mean in ("arithmetic", "geometric"):
        target = soften(
            copies.logits, weighed.shares, copies.known, copies.present, temperature=4.0, mean=mean
        )
        torch.testing.assert_close(target[counted], alone[counted])


@every_rule
@few
@given(seeds)
def test_absent_teachers_have_weight_0_whatever_their_logits(
    rule: WeightingRule, seed: int
) -> None:
    batch = random_batch(seed)
    present = torch.ones(3, 6, dtype=torch.bool)
    present[1, :3] = False
    present[2, 2:] = False
    weighed = weigh(rule, with_present(batch, present))
    assert bool(torch.isfinite(weighed.shares).all())
    assert float(weighed.shares[~present].abs().sum()) == 0
    torch.testing.assert_close(weighed.shares.sum(dim=0), 1 - replaced(weighed))


@every_rule
def test_where_no_teacher_is_present_all_weights_are_zero(rule: WeightingRule) -> None:
    batch = random_batch(1)
    none_present = with_present(batch, torch.zeros(3, 6, dtype=torch.bool))
    assert weights(rule, none_present).tolist() == [[0.0] * 6] * 3


@every_rule
@pytest.mark.parametrize("size", [1e4, 0.0, 6e4])
def test_extreme_logits_give_finite_weights(rule: WeightingRule, size: float) -> None:
    batch = random_batch(2)
    found = weights(rule, replace(batch, logits=batch.logits.sign() * size))
    assert bool(torch.isfinite(found).all())


@every_rule
def test_a_single_teacher_has_all_the_weight(rule: WeightingRule) -> None:
    batch = random_batch(3, samples=1, teachers=1)
    one = Fixed(weights={"wide": 1.0}) if rule.kind == "fixed" else rule
    if isinstance(one, RandomChoice):
        one = RandomChoice(per=one.per)
    assert weights(one, batch, ("wide",)).tolist() == [[1.0]]


@every_rule
@few
@given(seeds, st.permutations(range(6)))
def test_a_samples_weights_do_not_depend_on_the_rest_of_the_micro_batch(
    rule: WeightingRule, seed: int, order: list[int]
) -> None:
    if rule == RandomChoice(per="batch", weights=SHARES):
        return
    batch = random_batch(seed)
    assert batch.labels is not None
    picked = order[:4]
    part = replace(
        batch,
        logits=batch.logits[:, picked],
        present=batch.present[:, picked],
        labels=batch.labels[picked],
        sample_ids=batch.sample_ids[picked],
    )
    assert torch.equal(weights(rule, part), weights(rule, batch)[:, picked])


def test_adaptive_leaves_the_weights_to_the_gating_network() -> None:
    assert weigh(Adaptive(), random_batch(4)).weights is None

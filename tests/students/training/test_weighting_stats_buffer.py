"""Notes of what was heard: the same sums, in whatever lots they are worked out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from students.knowledge import Knowledge
from students.training.no_teachers import empty_knowledge
from students.training.weighting_stats import WeightingStats
from students.training.weighting_stats_buffer import LOT, WeightingStatsBuffer, joined

CLASSES = 4
LISTENING = WeightingStats(("wide", "deep"), CLASSES, temperature=4.0, mean="arithmetic")


def answers(samples: int, seed: int) -> tuple[Knowledge, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(2, samples, generator=generator)
    knowledge = Knowledge(
        logits=3 * torch.randn(2, samples, CLASSES, generator=generator),
        known=torch.ones(2, CLASSES, dtype=torch.bool),
        present=torch.ones(2, samples, dtype=torch.bool),
        weights=weights / weights.sum(0),
        taps={"wide": {"layer": torch.zeros(samples, 3)}},
    )
    return knowledge, torch.randint(0, CLASSES, (samples,), generator=generator)


def test_many_micro_batches_are_noted_as_one_by_one() -> None:
    notes, each = WeightingStatsBuffer(LISTENING), [answers(100, seed) for seed in range(25)]
    for knowledge, labels in each:
        notes.note(knowledge, labels)
    assert 2 * LOT < 25 * 100
    taken = notes.taken()
    assert taken is not None
    alone = torch.stack([LISTENING.heard(*one) for one in each]).sum(0)
    torch.testing.assert_close(taken, alone, rtol=1e-12, atol=1e-12)
    assert notes.taken() is None, "they begin anew"


def test_after_they_were_taken_nothing_of_before_is_left_in_a_bit() -> None:
    ever, anew = WeightingStatsBuffer(LISTENING), WeightingStatsBuffer(LISTENING)
    for seed in range(7):
        ever.note(*answers(100, seed))
    ever.taken()
    for seed in range(7, 30):
        ever.note(*answers(100, seed))
        anew.note(*answers(100, seed))
    one, other = ever.taken(), anew.taken()
    assert one is not None
    assert other is not None
    assert torch.equal(one, other)


def test_nobodys_answers_are_no_note() -> None:
    notes = WeightingStatsBuffer(LISTENING)
    notes.note(empty_knowledge(5, CLASSES), torch.zeros(5, dtype=torch.int64))
    assert notes.taken() is None


def test_lots_of_teachers_who_know_other_classes_are_kept_apart() -> None:
    notes, known = WeightingStatsBuffer(LISTENING), torch.ones(2, CLASSES, dtype=torch.bool)
    known[0, 2:] = False
    (one, labels), (other, others) = answers(10, 0), answers(10, 1)
    other = replace(other, known=known)
    notes.note(one, labels)
    notes.note(other, others)
    taken = notes.taken()
    assert taken is not None
    alone = LISTENING.heard(one, labels) + LISTENING.heard(other, others)
    torch.testing.assert_close(taken, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stands_in", [False, True])
def test_what_is_joined_are_the_samples_in_order_without_layers(stands_in: bool) -> None:
    parts = [answers(samples, samples)[0] for samples in (2, 3)]
    if stands_in:
        parts = [
            replace(each, fallback_labels=torch.full((each.present.shape[1],), number))
            for number, each in enumerate(parts)
        ]
    whole = joined(parts)
    assert torch.equal(whole.logits[:, 2:], parts[1].logits)
    assert torch.equal(whole.shares[:, :2], parts[0].shares)
    assert whole.taps == {}
    assert (whole.fallback_labels is None) == (not stands_in)
    if whole.fallback_labels is not None:
        assert whole.fallback_labels.tolist() == [0, 0, 1, 1, 1]

"""Statistics of per-sample teacher weights: means by class, and what a weighting rule changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from students.knowledge import Knowledge
from students.training.questions import empty_knowledge
from students.training.weighting_stats import (
    CHUNK,
    WeightingStats,
    changed_targets,
    concatenate,
)

CLASSES = 4
BOTH = WeightingStats(("wide", "deep"), CLASSES, temperature=4.0, mean="arithmetic")


def answers(teachers: int = 2, samples: int = 6, classes: int = CLASSES) -> Knowledge:
    generator = torch.Generator().manual_seed(3)
    return Knowledge(
        logits=3 * torch.randn(teachers, samples, classes, generator=generator),
        known=torch.ones(teachers, classes, dtype=torch.bool),
        present=torch.ones(teachers, samples, dtype=torch.bool),
        weights=torch.full((teachers, samples), 1 / teachers),
        taps={},
    )


LABELS = torch.tensor([0, 0, 1, 1, 1, 2])


def metrics(knowledge: Knowledge, labels: torch.Tensor = LABELS, by: WeightingStats = BOTH):
    return by.to_metrics(by.accumulate(knowledge, labels).tolist())


def test_uniform_weights_change_no_target_and_are_reported_as_they_are() -> None:
    found = metrics(answers())
    assert found == {
        **{f"weights/{name}": 0.5 for name in ("wide", "deep")},
        **{f"weights/{name}/{c}": 0.5 for name in ("wide", "deep") for c in (0, 1, 2)},
        "rule/changed": 0,
        "rule/renamed": 0,
    }


def test_weights_are_means_over_the_samples_of_each_label() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.2, 0.4, 0.6, 0.9]])
    found = metrics(replace(answers(), weights=torch.cat([weights, 1 - weights])))
    expected = {"": 3.1 / 6, "/0": 0.5, "/1": 0.4, "/2": 0.9}
    for part, mean in expected.items():
        assert found[f"weights/wide{part}"] == pytest.approx(mean)
        assert found[f"weights/deep{part}"] == pytest.approx(1 - mean)


def test_a_sample_without_a_label_counts_as_of_its_uniform_targets_largest_class() -> None:
    knowledge = answers()
    named = torch.softmax(knowledge.logits / 4, dim=2).mean(dim=0).argmax(dim=1)
    weights = torch.tensor([[1.0, 0.0, 0.2, 0.4, 0.6, 0.9]])
    knowledge = replace(knowledge, weights=torch.cat([weights, 1 - weights]))
    assert metrics(knowledge, torch.full((6,), -1)) == metrics(knowledge, named)


def test_a_changed_target_is_one_that_differs_by_more_than_a_hundredth() -> None:
    uniform = torch.tensor([[0.5, 0.3, 0.2]]).repeat(4, 1)
    target = uniform + torch.tensor(
        [[0, 0, 0], [0.009, -0.009, 0], [0.02, 0, -0.02], [-0.2, 0.2, 0]]
    )
    changed, renamed = changed_targets(target, uniform)
    assert changed.tolist() == [False, False, True, True]
    assert renamed.tolist() == [False, False, False, True]


def test_one_teacher_alone_changes_the_target_of_two_that_disagree() -> None:
    knowledge = answers(samples=2)
    sure = (
        torch.tensor([[5.0, 0, 0, 0], [5.0, 0, 0, 0]]),
        torch.tensor([[0, 9.0, 0, 0], [5.0, 0, 0, 0]]),
    )
    knowledge = replace(
        knowledge, logits=torch.stack(sure), weights=torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    )
    found = metrics(knowledge, torch.tensor([0, 0]))
    assert (found["rule/changed"], found["rule/renamed"]) == (0.5, 0.5)


def test_a_fallback_label_is_the_target() -> None:
    knowledge = answers(samples=2)
    agree = torch.tensor([[9.0, 0, 0, 0], [9.0, 0, 0, 0]])
    weights = torch.tensor([[0.5, 0.0], [0.5, 0.0]])
    knowledge = replace(
        knowledge,
        logits=torch.stack([agree, agree]),
        weights=weights,
        fallback_labels=torch.tensor([-1, 3]),
    )
    found = metrics(knowledge, torch.tensor([0, 3]))
    assert (found["rule/changed"], found["rule/renamed"]) == (0.5, 0.5)
    assert found["weights/wide"] + found["weights/deep"] == 0.5
    assert found["weights/wide/3"] == 0


def test_logits_of_an_absent_teacher_do_not_matter() -> None:
    knowledge = answers()
    knowledge.present[1] = False
    knowledge.logits[1] = torch.nan
    weights = torch.stack([torch.ones(6), torch.zeros(6)])
    found = metrics(replace(knowledge, weights=weights))
    assert (found["weights/wide"], found["weights/deep"]) == (1, 0)
    assert (found["rule/changed"], found["rule/renamed"]) == (0, 0)


def test_there_are_figures_by_class_only_where_classes_are_few() -> None:
    many = WeightingStats(("wide", "deep"), 65, temperature=4.0, mean="arithmetic")
    found = metrics(answers(classes=65), LABELS, many)
    assert set(found) == {"weights/wide", "weights/deep", "rule/changed", "rule/renamed"}
    few = WeightingStats(("wide", "deep"), 64, temperature=4.0, mean="arithmetic")
    assert "weights/wide/2" in metrics(answers(classes=64), LABELS, few)


def test_teachers_made_of_one_are_numbered() -> None:
    alone = WeightingStats(("wide",), CLASSES, temperature=4.0, mean="geometric")
    found = metrics(answers(teachers=3), LABELS, alone)
    assert found["weights/wide~3"] == pytest.approx(1 / 3)
    assert "weights/wide~1/2" in found


def test_parts_of_an_epoch_add_up_to_the_whole() -> None:
    knowledge = answers()
    weights = torch.rand(2, 6, generator=torch.Generator().manual_seed(1))
    knowledge = replace(knowledge, weights=weights / weights.sum(0))
    sums = torch.zeros(())
    for part in (slice(0, 2), slice(2, 6)):
        cut = replace(
            knowledge,
            logits=knowledge.logits[:, part],
            present=knowledge.present[:, part],
            weights=knowledge.shares[:, part],
        )
        sums = sums + BOTH.accumulate(cut, LABELS[part])
    assert BOTH.to_metrics(sums.tolist()) == pytest.approx(metrics(knowledge))
    assert BOTH.to_metrics(()) == {}


def test_weights_that_are_nan_count_as_zero_and_raise_nothing() -> None:
    knowledge = replace(answers(), weights=torch.full((2, 6), torch.nan))
    assert metrics(knowledge)["weights/wide"] == 0


# --- the buffer: the same sums, in whatever chunks they are computed


def random_answers(samples: int, seed: int) -> tuple[Knowledge, torch.Tensor]:
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


def test_sums_by_chunks_equal_those_of_each_micro_batch() -> None:
    buffer, each = replace(BOTH), [random_answers(100, seed) for seed in range(25)]
    for knowledge, labels in each:
        buffer.add(knowledge, labels)
    assert 2 * CHUNK < 25 * 100
    taken = buffer.take_sums()
    assert taken is not None
    alone = torch.stack([BOTH.accumulate(*one) for one in each]).sum(0)
    torch.testing.assert_close(taken, alone, rtol=1e-12, atol=1e-12)
    assert buffer.take_sums() is None, "they start at zero"


def test_sums_have_the_same_bits_whatever_was_added_before_they_were_last_taken() -> None:
    reused, fresh = replace(BOTH), replace(BOTH)
    for seed in range(7):
        reused.add(*random_answers(100, seed))
    reused.take_sums()
    for seed in range(7, 30):
        reused.add(*random_answers(100, seed))
        fresh.add(*random_answers(100, seed))
    one, other = reused.take_sums(), fresh.take_sums()
    assert one is not None
    assert other is not None
    assert torch.equal(one, other)


def test_empty_knowledge_adds_nothing() -> None:
    buffer = replace(BOTH)
    buffer.add(empty_knowledge(5, CLASSES), torch.zeros(5, dtype=torch.int64))
    assert buffer.take_sums() is None


def test_teachers_that_cover_other_classes_are_summed_apart() -> None:
    buffer, known = replace(BOTH), torch.ones(2, CLASSES, dtype=torch.bool)
    known[0, 2:] = False
    (one, labels), (other, others) = random_answers(10, 0), random_answers(10, 1)
    other = replace(other, known=known)
    buffer.add(one, labels)
    buffer.add(other, others)
    taken = buffer.take_sums()
    assert taken is not None
    alone = BOTH.accumulate(one, labels) + BOTH.accumulate(other, others)
    torch.testing.assert_close(taken, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("has_fallback", [False, True])
def test_concatenated_knowledge_has_the_samples_in_order_without_taps(has_fallback: bool) -> None:
    parts = [random_answers(samples, samples)[0] for samples in (2, 3)]
    if has_fallback:
        parts = [
            replace(each, fallback_labels=torch.full((each.present.shape[1],), number))
            for number, each in enumerate(parts)
        ]
    whole = concatenate(parts)
    assert torch.equal(whole.logits[:, 2:], parts[1].logits)
    assert torch.equal(whole.shares[:, :2], parts[0].shares)
    assert whole.taps == {}
    assert (whole.fallback_labels is None) == (not has_fallback)
    if whole.fallback_labels is not None:
        assert whole.fallback_labels.tolist() == [0, 0, 1, 1, 1]

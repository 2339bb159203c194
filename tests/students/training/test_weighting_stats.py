"""What a student notes of its teachers: whose weights, on which classes, what a rule changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from students.knowledge import Knowledge
from students.training.weighting_stats import WeightingStats, added, changes

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


def told(knowledge: Knowledge, labels: torch.Tensor = LABELS, by: WeightingStats = BOTH):
    return by.told(by.heard(knowledge, labels).tolist())


def test_uniform_weights_change_nothing_and_are_told_as_they_are() -> None:
    figures = told(answers())
    assert figures == {
        **{f"weights/{name}": 0.5 for name in ("wide", "deep")},
        **{f"weights/{name}/{c}": 0.5 for name in ("wide", "deep") for c in (0, 1, 2)},
        "rule/changed": 0,
        "rule/renamed": 0,
    }


def test_weights_are_means_over_the_samples_of_each_label() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.2, 0.4, 0.6, 0.9]])
    figures = told(replace(answers(), weights=torch.cat([weights, 1 - weights])))
    expected = {"": 3.1 / 6, "/0": 0.5, "/1": 0.4, "/2": 0.9}
    for part, mean in expected.items():
        assert figures[f"weights/wide{part}"] == pytest.approx(mean)
        assert figures[f"weights/deep{part}"] == pytest.approx(1 - mean)


def test_a_sample_without_a_label_counts_as_of_the_class_that_its_teachers_name() -> None:
    knowledge = answers()
    named = torch.softmax(knowledge.logits / 4, dim=2).mean(dim=0).argmax(dim=1)
    weights = torch.tensor([[1.0, 0.0, 0.2, 0.4, 0.6, 0.9]])
    knowledge = replace(knowledge, weights=torch.cat([weights, 1 - weights]))
    assert told(knowledge, torch.full((6,), -1)) == told(knowledge, named)


def test_a_changed_target_is_one_that_differs_by_more_than_a_hundredth() -> None:
    uniform = torch.tensor([[0.5, 0.3, 0.2]]).repeat(4, 1)
    target = uniform + torch.tensor(
        [[0, 0, 0], [0.009, -0.009, 0], [0.02, 0, -0.02], [-0.2, 0.2, 0]]
    )
    changed, renamed = changes(target, uniform)
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
    figures = told(knowledge, torch.tensor([0, 0]))
    assert (figures["rule/changed"], figures["rule/renamed"]) == (0.5, 0.5)


def test_the_class_that_stands_in_is_the_target() -> None:
    knowledge = answers(samples=2)
    agree = torch.tensor([[9.0, 0, 0, 0], [9.0, 0, 0, 0]])
    weights = torch.tensor([[0.5, 0.0], [0.5, 0.0]])
    knowledge = replace(
        knowledge,
        logits=torch.stack([agree, agree]),
        weights=weights,
        fallback_labels=torch.tensor([-1, 3]),
    )
    figures = told(knowledge, torch.tensor([0, 3]))
    assert (figures["rule/changed"], figures["rule/renamed"]) == (0.5, 0.5)
    assert figures["weights/wide"] + figures["weights/deep"] == 0.5
    assert figures["weights/wide/3"] == 0


def test_what_an_absent_teacher_holds_does_not_matter() -> None:
    knowledge = answers()
    knowledge.present[1] = False
    knowledge.logits[1] = torch.nan
    weights = torch.stack([torch.ones(6), torch.zeros(6)])
    figures = told(replace(knowledge, weights=weights))
    assert (figures["weights/wide"], figures["weights/deep"]) == (1, 0)
    assert (figures["rule/changed"], figures["rule/renamed"]) == (0, 0)


def test_classes_are_told_apart_only_where_they_are_few() -> None:
    many = WeightingStats(("wide", "deep"), 65, temperature=4.0, mean="arithmetic")
    figures = told(answers(classes=65), LABELS, many)
    assert set(figures) == {"weights/wide", "weights/deep", "rule/changed", "rule/renamed"}
    few = WeightingStats(("wide", "deep"), 64, temperature=4.0, mean="arithmetic")
    assert "weights/wide/2" in told(answers(classes=64), LABELS, few)


def test_teachers_made_of_one_are_numbered() -> None:
    alone = WeightingStats(("wide",), CLASSES, temperature=4.0, mean="geometric")
    figures = told(answers(teachers=3), LABELS, alone)
    assert figures["weights/wide~3"] == pytest.approx(1 / 3)
    assert "weights/wide~1/2" in figures


def test_parts_of_an_epoch_add_up_to_the_whole() -> None:
    knowledge = answers()
    weights = torch.rand(2, 6, generator=torch.Generator().manual_seed(1))
    knowledge = replace(knowledge, weights=weights / weights.sum(0))
    sums: tuple[float, ...] = ()
    for part in (slice(0, 2), slice(2, 6)):
        cut = replace(
            knowledge,
            logits=knowledge.logits[:, part],
            present=knowledge.present[:, part],
            weights=knowledge.shares[:, part],
        )
        sums = added(sums, BOTH.heard(cut, LABELS[part]).tolist())
    assert BOTH.told(sums) == pytest.approx(told(knowledge))
    assert added(sums, ()) == sums
    assert BOTH.told(()) == {}


def test_a_gate_that_is_no_numbers_is_told_as_nothing_and_breaks_nothing() -> None:
    knowledge = replace(answers(), weights=torch.full((2, 6), torch.nan))
    assert told(knowledge)["weights/wide"] == 0

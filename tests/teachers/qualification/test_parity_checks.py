"""The gate's measures: what is faithful, what is chance, what is only in another order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from teachers.qualification.fidelity import fidelity
from teachers.qualification.parity_checks import (
    best_variant,
    much_better,
    plausibility,
    rarely_predicted,
)

GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.arange(512) % 10


@pytest.fixture(autouse=True)
def reseeded() -> None:
    """So that what a test draws does not depend on the tests before it."""
    GENERATOR.manual_seed(0)


def logits(answers: Tensor, classes: int = 10) -> Tensor:
    return torch.nn.functional.one_hot(answers, classes).float() * 5.0


def right_on(share: float, labels: Tensor = LABELS, classes: int = 10) -> Tensor:
    """Answers that are right on a share of the samples, and anything on the others."""
    guesses = torch.randint(0, classes, labels.shape, generator=GENERATOR)
    right = torch.rand(labels.shape, generator=GENERATOR) < share
    return logits(torch.where(right, labels, guesses), classes)


def test_the_same_answers_are_faithful_at_every_temperature() -> None:
    own = torch.randn(512, 10, generator=GENERATOR)
    for temperature in (0.5, 1.0, 20.0):
        found = fidelity(own, own, temperature)
        assert (found.same_argmax, found.passes) == (1.0, True)
        assert found.mean_kl == pytest.approx(0.0, abs=1e-15)


def test_fidelity_is_the_mean_divergence_from_plain_to_given() -> None:
    plain, given = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, math.log(3.0)]])
    found = fidelity(given, plain, 1.0)
    assert found.mean_kl == pytest.approx(0.5 * math.log(2.0) + 0.5 * math.log(2.0 / 3.0))
    assert fidelity(given, plain, 4.0).mean_kl < found.mean_kl
    assert not found.passes


@pytest.mark.parametrize(("differing", "passes"), [(0, True), (2, True), (3, False)])
def test_the_argmax_may_differ_on_one_sample_in_two_hundred(differing: int, passes: bool) -> None:
    plain = logits(LABELS) * 1e-3
    given = plain.clone()
    given[:differing] = given[:differing].roll(1, 1)
    found = fidelity(given, plain, 4.0)
    assert found.same_argmax == 1.0 - differing / 512
    assert found.passes is passes


def test_one_of_few_samples_may_differ_and_a_tie_is_no_difference() -> None:
    plain = logits(LABELS[:20]) * 1e-3
    given = plain.clone()
    given[0] = given[0].roll(1)
    assert fidelity(given, plain, 4.0).passes
    tied = torch.tensor([[1.0, 1.0 + 1e-5, 0.0]])
    assert fidelity(tied.flip(1).roll(2, 1), tied, 4.0).same_argmax == 1.0


@pytest.mark.parametrize("share", [0.2, 0.55, 1.0])
def test_a_weak_teacher_that_is_right_passes(share: float) -> None:
    found = plausibility(right_on(share), LABELS)
    assert not found.near_chance
    assert found.order is None


def test_a_weak_teacher_that_takes_one_class_for_another_passes() -> None:
    answers = right_on(0.6).argmax(1)
    answers[(LABELS == 3) & (torch.rand(512, generator=GENERATOR) < 0.6)] = 5
    found = plausibility(logits(answers), LABELS)
    assert not found.near_chance
    assert found.order is None


def test_guesses_are_near_chance_over_many_draws() -> None:
    drawn = [plausibility(right_on(0.0), LABELS) for _ in range(20)]
    assert sum(not found.near_chance for found in drawn) <= 1
    assert all(found.order is None for found in drawn)


def test_one_answer_to_everything_is_chance_however_many_labels_are_so() -> None:
    labels = torch.where(torch.arange(500) < 400, 0, 1 + torch.arange(500) % 9)
    found = plausibility(logits(torch.zeros(500, dtype=torch.int64)), labels)
    assert found.accuracy == found.chance == pytest.approx(0.8)
    assert found.near_chance


def test_the_rare_class_as_the_answer_to_everything_is_no_other_order() -> None:
    labels = torch.tensor([0] * 97 + [1] * 3)
    found = plausibility(torch.tensor([[0.0, 1.0]]).expand(100, 2), labels)
    assert found.near_chance
    assert found.order is None


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_another_order_of_the_classes_is_found(share: float) -> None:
    turned = right_on(share).roll(1, 1)
    found = plausibility(turned, LABELS)
    assert found.near_chance
    assert found.order == (9, *range(9))
    assert found.reordered > share - 0.05, "the share that was drawn varies"


def test_two_swapped_classes_are_found_though_the_rest_is_right() -> None:
    order = [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]
    found = plausibility(right_on(0.9)[:, order], LABELS)
    assert not found.near_chance
    assert found.order == tuple(order)


@pytest.mark.parametrize("count", [20, 64])
def test_few_samples_do_for_a_teacher_of_sixty_percent(count: int) -> None:
    found = plausibility(right_on(0.6, LABELS[:count]), LABELS[:count])
    assert not found.near_chance
    assert found.order is None


def test_a_class_that_is_rarely_predicted_is_found_with_its_recall() -> None:
    labels = np.arange(300) % 3
    right = (labels != 2) | (np.arange(300) < 30)
    assert rarely_predicted(right, labels) == {2: (0.1, 1.0, 100)}
    assert not rarely_predicted(right[:9], labels[:9]), "too few to say"
    assert not rarely_predicted((labels != 2) | (np.arange(300) < 180), labels), "weak, and no more"
    assert not rarely_predicted(labels < 0, labels), "no class is worse than the others"
    assert not rarely_predicted(np.zeros(50, bool), np.zeros(50, np.int64)), "there are no others"


def test_classes_predicted_equally_well_are_rarely_doubted() -> None:
    draws, labels = np.random.default_rng(0), np.arange(200) % 10
    for share in (0.3, 0.6, 0.9):
        doubted = [rarely_predicted(draws.random(200) < share, labels) for _ in range(200)]
        assert sum(map(bool, doubted)) <= 2


def test_many_classes_leave_no_room_for_an_order_that_only_fits_the_noise() -> None:
    labels = torch.arange(512) % 100
    found = plausibility(right_on(0.4, labels, 100), labels)
    assert not found.near_chance
    assert found.order is None


def test_much_better_is_a_large_and_significant_gain() -> None:
    own, better = np.arange(500) < 400, np.arange(500) < 440
    assert much_better(better, own, least=0.05)
    assert not much_better(np.arange(500) < 410, own, least=0.05), "too little"
    assert not much_better(better[::50], own[::50], least=0.05), "too few samples"
    assert best_variant(own, {"a": better, "b": np.arange(500) < 470}) == "b"
    assert best_variant(own, {"a": own}) is None
    assert best_variant(own, {}) is None

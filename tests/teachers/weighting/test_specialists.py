"""Specialists count where they cover the classes, and do not change the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from students.knowledge import Knowledge
from students.models.network import UNKNOWN
from students.objectives.softening import Mean, soften
from teachers.weighting.specialists import Specialists, masked_mean
from tests.teachers.weighting.micro_batches import MicroBatch, weigh

CLASSES = 6
LOW, HIGH = (0, 1, 2), (3, 4, 5)


def row(*classes: int) -> list[bool]:
    return [each in classes for each in range(CLASSES)]


def random_logits(teachers: int, batch: int = 5, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(teachers)
    return scale * torch.randn(teachers, batch, CLASSES, generator=generator, dtype=torch.float64)


def weighed(logits: Tensor, known: list[list[bool]], present: Tensor | None = None) -> Knowledge:
    mask = torch.tensor(known)
    teachers, samples, _ = logits.shape
    batch = MicroBatch(
        logits=logits.masked_fill(~mask.unsqueeze(1), UNKNOWN),
        known=mask,
        present=torch.ones(teachers, samples, dtype=torch.bool) if present is None else present,
        labels=None,
        sample_ids=np.arange(samples),
        epoch=0,
    )
    return weigh(Specialists(), batch, tuple(map(str, range(teachers))))


def target(knowledge: Knowledge, temperature: float = 1.0, mean: Mean = "arithmetic") -> Tensor:
    return soften(
        knowledge.logits,
        knowledge.shares,
        knowledge.known,
        knowledge.present,
        temperature=temperature,
        mean=mean,
    )


def test_a_specialist_of_all_classes_that_equals_the_generalist_changes_nothing() -> None:
    logits = random_logits(1).expand(2, -1, -1)
    found = target(weighed(logits, [row(*range(CLASSES))] * 2))
    assert torch.allclose(found, logits[0].softmax(1), atol=1e-12)


def test_a_specialist_that_equals_the_generalist_changes_nothing_at_any_temperature() -> None:
    logits = random_logits(1).expand(2, -1, -1)
    knowledge = weighed(logits, [row(*range(CLASSES)), row(*LOW)])
    for temperature in (0.5, 1.0, 4.0):
        expected = (logits[0] / temperature).softmax(1)
        assert torch.allclose(target(knowledge, temperature), expected, atol=1e-12)
    assert torch.allclose(knowledge.logits[1], logits[0], atol=1e-12), "also as logits"


def test_inactive_specialists_do_not_change_the_generalist() -> None:
    logits = random_logits(3)
    logits[0, :, 5] += 50.0  # a class that no specialist covers
    known = [row(*range(CLASSES)), row(*LOW), row(3, 4)]
    assert torch.allclose(target(weighed(logits, known)), logits[0].softmax(1), atol=1e-12)


def test_an_active_specialist_divides_the_probability_of_its_classes() -> None:
    general = torch.tensor([2.0, 1.0, 0.0, 0.5, 0.0, -1.0], dtype=torch.float64)
    own = torch.tensor([-3.0, 4.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    knowledge = weighed(torch.stack([general, own])[:, None], [row(*range(CLASSES)), row(*LOW)])
    p = np.exp(general.numpy())
    p /= p.sum()
    q = np.exp(own.numpy()[:3])
    expected = p.copy()
    expected[:3] = p[:3].sum() * q / q.sum()
    assert target(knowledge)[0].tolist() == pytest.approx(((p + expected) / 2).tolist(), rel=1e-12)


def test_specialists_are_active_by_sample() -> None:
    logits = torch.zeros(3, 2, CLASSES, dtype=torch.float64)
    logits[0, 0, 1] = logits[0, 1, 4] = 5.0
    weights = weighed(logits, [row(*range(CLASSES)), row(*LOW), row(*HIGH)]).shares
    assert weights.tolist() == [[0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]


def test_the_mean_of_several_generalists_distributions_decides_which_specialist_is_active() -> None:
    logits = torch.zeros(3, 1, CLASSES, dtype=torch.float64)
    # The first predicts class 4, the second, whose logits are larger, class 1.
    logits[0, 0, 4], logits[1, 0, 1] = 2.0, 3.0
    weights = weighed(logits, [row(*range(CLASSES))] * 2 + [row(*LOW)]).shares
    assert weights[:, 0].tolist() == pytest.approx([1 / 3] * 3)


def test_without_a_generalist_the_centred_logits_of_disjoint_specialists_are_joined() -> None:
    logits = random_logits(2)
    knowledge = weighed(logits, [row(*LOW), row(*HIGH)])
    joined = logits[0].clone()
    joined[:, :3] = logits[0, :, :3] - logits[0, :, :3].mean(1, keepdim=True)
    joined[:, 3:] = logits[1, :, 3:] - logits[1, :, 3:].mean(1, keepdim=True)
    means: tuple[Mean, ...] = ("arithmetic", "geometric")
    for mean in means:
        assert torch.allclose(target(knowledge, 2.0, mean), (joined / 2).softmax(1), atol=1e-12)


def test_without_a_generalist_a_constant_added_to_logits_changes_nothing() -> None:
    logits, known = random_logits(2), [row(0, 1, 2, 3), row(2, 3, 4, 5)]
    raised = logits + torch.tensor([7.0, -3.0], dtype=torch.float64)[:, None, None]
    assert torch.allclose(
        target(weighed(logits, known)), target(weighed(raised, known)), atol=1e-12
    )


def test_a_class_that_two_specialists_cover_gets_their_mean() -> None:
    logits = torch.zeros(2, 1, CLASSES, dtype=torch.float64)
    logits[0, 0, :4] = torch.tensor([3.0, 1.0, -1.0, -3.0])
    logits[1, 0, 2:] = torch.tensor([1.0, 0.0, -1.0, 0.0])
    mask = torch.tensor([row(0, 1, 2, 3), row(2, 3, 4, 5)])
    _, mean = masked_mean(logits, mask, torch.ones(2, 1, dtype=torch.bool))
    assert mean[0].tolist() == [3.0, 1.0, 0.0, -1.5, -1.0, 0.0]


def test_a_class_that_no_teacher_covers_stays_unknown() -> None:
    found = weighed(random_logits(2), [row(0, 1), row(2, 3)])
    assert found.known.tolist() == [row(0, 1, 2, 3)] * 2


KNOWN = [
    [row(*range(CLASSES)), row(*LOW), row(*HIGH)],
    [row(*LOW), row(2, 3), row(3, 4, 5)],
    [row(*range(CLASSES))] * 2 + [row(1, 4)],
]


@pytest.mark.parametrize("known", KNOWN, ids=["one generalist", "none", "two"])
def test_the_order_of_the_teachers_does_not_matter(known: list[list[bool]]) -> None:
    logits, order = random_logits(3), [2, 0, 1]
    plain = weighed(logits, known)
    permuted = weighed(logits[order], [known[each] for each in order])
    assert torch.equal(plain.shares[order], permuted.shares)
    assert torch.allclose(plain.logits[order], permuted.logits, atol=1e-12)


@pytest.mark.parametrize("known", KNOWN, ids=["one generalist", "none", "two"])
def test_logits_of_absent_teachers_do_not_matter(known: list[list[bool]]) -> None:
    present = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [1, 1, 1, 0, 0]]).bool()
    plain = weighed(random_logits(3), known, present)
    with_nan = random_logits(3).masked_fill(~present.unsqueeze(2), float("nan"))
    other = weighed(with_nan, known, present)
    for name in ("weights", "logits"):
        one, two = getattr(plain, name), getattr(other, name)
        assert torch.equal(one, two)
        assert bool(one.isfinite().all())
    assert bool((plain.shares[~present] == 0).all())
    assert plain.shares.sum(0).tolist() == pytest.approx([1, 1, 1, 1, 0])


def test_a_sample_whose_generalist_is_absent_is_treated_as_if_there_were_none() -> None:
    present = torch.tensor([[1, 0], [1, 1], [1, 1]]).bool()
    logits = random_logits(3, batch=2)
    found = target(weighed(logits, KNOWN[0], present))
    alone = target(weighed(logits[1:], KNOWN[0][1:]))
    assert torch.allclose(found[1], alone[1], atol=1e-12)
    assert torch.allclose(found[0], target(weighed(logits, KNOWN[0]))[0], atol=1e-12)


EXTREME = st.sampled_from([0.0, -1e4, 1e4, 65504.0, -65504.0, 1e-6, 3.0])


@settings(max_examples=50, deadline=None)
@given(st.lists(EXTREME, min_size=3 * CLASSES, max_size=3 * CLASSES), st.sampled_from(KNOWN))
def test_extreme_logits_make_no_nan(values: list[float], known: list[list[bool]]) -> None:
    logits = torch.tensor(values).reshape(3, 1, CLASSES)
    knowledge = weighed(logits, known)
    assert knowledge.logits.dtype == torch.float32
    assert bool(knowledge.logits.isfinite().all())
    assert target(knowledge).sum(1).tolist() == pytest.approx([1.0], abs=1e-5)

"""Specialists speak where they know, and say no more than they know."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from students.models.class_map import UNKNOWN
from students.objectives.softening import soften
from teachers.config import Specialists
from teachers.weighting.catalog import build_rule
from teachers.weighting.rule import Said, Weighed
from teachers.weighting.specialists import SpecialistsRule, masked_mean

CLASSES = 6
LOW, HIGH = (0, 1, 2), (3, 4, 5)


def row(*classes: int) -> list[bool]:
    return [each in classes for each in range(CLASSES)]


def drawn(teachers: int, batch: int = 5, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(teachers)
    return scale * torch.randn(teachers, batch, CLASSES, generator=generator, dtype=torch.float64)


def said(logits: Tensor, known: list[list[bool]], present: Tensor | None = None) -> Said:
    mask = torch.tensor(known)
    teachers, batch, _ = logits.shape
    return Said(
        logits.masked_fill(~mask.unsqueeze(1), UNKNOWN),
        mask,
        torch.ones(teachers, batch, dtype=torch.bool) if present is None else present,
        None,
        np.arange(batch),
        0,
    )


def agreed(told: Said, temperature: float = 1.0, mean: str = "arithmetic") -> Tensor:
    weighed = SpecialistsRule()(told)
    assert weighed.weights is not None
    assert weighed.logits is not None
    assert weighed.known is not None
    return soften(
        weighed.logits, weighed.weights, weighed.known, told.present,
        temperature=temperature, mean=mean,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_recipe_knows_the_rule() -> None:
    assert isinstance(build_rule(Specialists(), ("wide",), 0), SpecialistsRule)


def test_a_specialist_of_all_classes_that_equals_the_generalist_changes_nothing() -> None:
    logits = drawn(1).expand(2, -1, -1)
    found = agreed(said(logits, [row(*range(CLASSES))] * 2))
    assert torch.allclose(found, logits[0].softmax(1), atol=1e-12)


def test_a_specialist_that_says_what_the_generalist_says_changes_nothing_at_any_temperature() -> (
    None
):
    logits = drawn(1).expand(2, -1, -1)
    told = said(logits, [row(*range(CLASSES)), row(*LOW)])
    for temperature in (0.5, 1.0, 4.0):
        expected = (logits[0] / temperature).softmax(1)
        assert torch.allclose(agreed(told, temperature), expected, atol=1e-12)
    weighed = SpecialistsRule()(told)
    assert weighed.logits is not None
    assert torch.allclose(weighed.logits[1], logits[0], atol=1e-12), "as logits too, at one height"


def test_specialists_that_nothing_concerns_leave_the_generalist_alone() -> None:
    logits = drawn(3)
    logits[0, :, 5] += 50.0  # the generalist is sure of a class that no specialist knows
    known = [row(*range(CLASSES)), row(*LOW), row(3, 4)]
    assert torch.allclose(agreed(said(logits, known)), logits[0].softmax(1), atol=1e-12)


def test_an_active_specialist_says_how_the_probability_of_its_classes_falls_to_each() -> None:
    general = torch.tensor([2.0, 1.0, 0.0, 0.5, 0.0, -1.0], dtype=torch.float64)
    own = torch.tensor([-3.0, 4.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    told = said(torch.stack([general, own])[:, None], [row(*range(CLASSES)), row(*LOW)])
    p = np.exp(general.numpy())
    p /= p.sum()
    q = np.exp(own.numpy()[:3])
    expected = p.copy()
    expected[:3] = p[:3].sum() * q / q.sum()
    assert agreed(told)[0].tolist() == pytest.approx(((p + expected) / 2).tolist(), rel=1e-12)


def test_who_is_active_is_decided_for_each_sample() -> None:
    logits = torch.zeros(3, 2, CLASSES, dtype=torch.float64)
    logits[0, 0, 1] = logits[0, 1, 4] = 5.0
    weights = SpecialistsRule()(said(logits, [row(*range(CLASSES)), row(*LOW), row(*HIGH)])).weights
    assert weights is not None
    assert weights.tolist() == [[0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]


def test_several_generalists_are_asked_for_the_mean_of_their_distributions() -> None:
    logits = torch.zeros(3, 1, CLASSES, dtype=torch.float64)
    # The one is very sure of class 4, the other, alone in its logits, of class 1.
    logits[0, 0, 4], logits[1, 0, 1] = 2.0, 3.0
    weights = SpecialistsRule()(said(logits, [row(*range(CLASSES))] * 2 + [row(*LOW)])).weights
    assert weights is not None
    assert weights[:, 0].tolist() == pytest.approx([1 / 3] * 3)


def test_without_a_generalist_disjoint_specialists_are_joined_at_their_own_mean_heights() -> None:
    logits = drawn(2)
    told = said(logits, [row(*LOW), row(*HIGH)])
    joined = logits[0].clone()
    joined[:, :3] = logits[0, :, :3] - logits[0, :, :3].mean(1, keepdim=True)
    joined[:, 3:] = logits[1, :, 3:] - logits[1, :, 3:].mean(1, keepdim=True)
    for mean in ("arithmetic", "geometric"):
        assert torch.allclose(agreed(told, 2.0, mean), (joined / 2).softmax(1), atol=1e-12)


def test_without_a_generalist_no_height_of_logits_matters() -> None:
    logits, known = drawn(2), [row(0, 1, 2, 3), row(2, 3, 4, 5)]
    raised = logits + torch.tensor([7.0, -3.0], dtype=torch.float64)[:, None, None]
    assert torch.allclose(agreed(said(logits, known)), agreed(said(raised, known)), atol=1e-12)


def test_a_class_that_two_specialists_know_gets_their_mean() -> None:
    logits = torch.zeros(2, 1, CLASSES, dtype=torch.float64)
    logits[0, 0, :4] = torch.tensor([3.0, 1.0, -1.0, -3.0])
    logits[1, 0, 2:] = torch.tensor([1.0, 0.0, -1.0, 0.0])
    mask = torch.tensor([row(0, 1, 2, 3), row(2, 3, 4, 5)])
    _, mean = masked_mean(logits, mask, torch.ones(2, 1, dtype=torch.bool))
    assert mean[0].tolist() == [3.0, 1.0, 0.0, -1.5, -1.0, 0.0]


def test_a_class_that_nobody_knows_stays_unknown() -> None:
    found = SpecialistsRule()(said(drawn(2), [row(0, 1), row(2, 3)]))
    assert found.known is not None
    assert found.known.tolist() == [row(0, 1, 2, 3)] * 2


KNOWN = [
    [row(*range(CLASSES)), row(*LOW), row(*HIGH)],
    [row(*LOW), row(2, 3), row(3, 4, 5)],
    [row(*range(CLASSES))] * 2 + [row(1, 4)],
]


@pytest.mark.parametrize("known", KNOWN, ids=["guided", "alone", "two guides"])
def test_the_order_of_the_teachers_does_not_matter(known: list[list[bool]]) -> None:
    logits, order = drawn(3), [2, 0, 1]
    plain = SpecialistsRule()(said(logits, known))
    turned = SpecialistsRule()(said(logits[order], [known[each] for each in order]))
    assert plain.weights is not None and turned.weights is not None
    assert torch.equal(plain.weights[order], turned.weights)
    assert plain.logits is not None and turned.logits is not None
    assert torch.allclose(plain.logits[order], turned.logits, atol=1e-12)


@pytest.mark.parametrize("known", KNOWN, ids=["guided", "alone", "two guides"])
def test_what_the_absent_hold_does_not_matter(known: list[list[bool]]) -> None:
    present = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [1, 1, 1, 0, 0]]).bool()
    told = said(drawn(3), known, present)
    spoilt = said(drawn(3).masked_fill(~present.unsqueeze(2), float("nan")), known, present)
    plain, other = SpecialistsRule()(told), SpecialistsRule()(spoilt)
    for name in ("weights", "logits"):
        one, two = getattr(plain, name), getattr(other, name)
        assert torch.equal(one, two)
        assert bool(one.isfinite().all())
    assert plain.weights is not None
    assert bool((plain.weights[~present] == 0).all())
    assert plain.weights.sum(0).tolist() == pytest.approx([1, 1, 1, 1, 0])


def test_a_sample_whose_generalist_is_absent_is_judged_as_where_there_is_none() -> None:
    present = torch.tensor([[1, 0], [1, 1], [1, 1]]).bool()
    logits = drawn(3, batch=2)
    found = agreed(said(logits, KNOWN[0], present))
    alone = agreed(said(logits[1:], KNOWN[0][1:]))
    assert torch.allclose(found[1], alone[1], atol=1e-12)
    assert torch.allclose(found[0], agreed(said(logits, KNOWN[0]))[0], atol=1e-12)


HARD = st.sampled_from([0.0, -1e4, 1e4, 65504.0, -65504.0, 1e-6, 3.0])


@settings(max_examples=50, deadline=None)
@given(st.lists(HARD, min_size=3 * CLASSES, max_size=3 * CLASSES), st.sampled_from(KNOWN))
def test_hard_logits_make_no_nan(values: list[float], known: list[list[bool]]) -> None:
    logits = torch.tensor(values).reshape(3, 1, CLASSES)
    weighed: Weighed = SpecialistsRule()(said(logits, known))
    assert weighed.logits is not None
    assert weighed.logits.dtype == torch.float32
    assert bool(weighed.logits.isfinite().all())
    assert agreed(said(logits, known)).sum(1).tolist() == pytest.approx([1.0], abs=1e-5)

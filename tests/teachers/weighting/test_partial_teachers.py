"""Teachers of some classes under every rule and every term on logits: finite, and no probability
for classes that they do not cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from students.knowledge import Batch, Knowledge, Question
from students.models.network import Spread
from students.objectives.born_again import ConfidenceWeighted, PermutedTargets
from students.objectives.correlation import Correlation
from students.objectives.cross_entropy import HardTargets
from students.objectives.decoupled import Decoupled
from students.objectives.objective import build_objective
from students.objectives.relations import RelationAngle, RelationDistance
from students.objectives.soft_targets import Conditional, SoftTargets
from students.objectives.softening import Mean, soften
from students.objectives.squared_distance import LogitL2, ProbabilityL2
from students.objectives.term import Term
from teachers.ensemble.ensemble import Ensemble
from teachers.weighting.constant import Uniform
from teachers.weighting.entropy import MaxEntropy, MinEntropy
from teachers.weighting.label_rules import Confidence, CorrectOnly
from teachers.weighting.random_choice import RandomChoice
from teachers.weighting.rule import WeightingRule
from teachers.weighting.specialists import Specialists

CLASSES, BATCH = 10, 20
MAPS = {"low": (3, 2, 1, 0), "middle": (4, 5, 6), "high": (7, 8, 9)}
RULES: list[WeightingRule] = [
    Uniform(), MaxEntropy(), MinEntropy(), Confidence(), CorrectOnly(), RandomChoice(),
    Specialists(),
]  # fmt: skip
TERMS: list[Term] = [
    SoftTargets(), SoftTargets(standardize=True), HardTargets(), LogitL2(), ProbabilityL2(),
    Conditional(), Decoupled(), Correlation(), RelationDistance(), RelationAngle(),
    ConfidenceWeighted(), PermutedTargets(),
]  # fmt: skip
LABELS = torch.arange(BATCH) % CLASSES


def knowledge(weighting: WeightingRule, names: tuple[str, ...]) -> Knowledge:
    generator = torch.Generator().manual_seed(1)

    def logits(name: str) -> Tensor:
        classes = MAPS.get(name, tuple(range(CLASSES)))
        drawn = 3 * torch.randn(BATCH, len(classes), generator=generator)
        return Spread(classes, CLASSES)(drawn)

    maps = {name: MAPS[name] for name in names if name in MAPS}
    ensemble = Ensemble(names, CLASSES, weighting, labels=LABELS.numpy(), class_maps=maps)
    return ensemble.combine(
        Question(0, np.arange(BATCH)), torch.stack([logits(name) for name in names])
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
@pytest.mark.parametrize("names", [("all", *MAPS), tuple(MAPS)], ids=["with generalist", "without"])
def test_every_term_on_logits_is_finite_with_a_finite_gradient(
    rule: WeightingRule, names: tuple[str, ...]
) -> None:
    combined = knowledge(rule, names)
    batch = Batch(torch.zeros(BATCH, 1, 1, 1), LABELS, np.arange(BATCH), 0)
    for term in TERMS:
        student = torch.linspace(-1, 1, BATCH * CLASSES).reshape(BATCH, CLASSES).sin()
        student.requires_grad_()
        objective = build_objective(
            {"term": term}, temperature=4.0, mean="arithmetic", teachers=names
        )
        loss, _ = objective({"logits": student}, batch, combined)
        loss.backward()  # type: ignore[no-untyped-call]
        assert 0 < float(loss.detach()) < 1e4, term.kind
        assert student.grad is not None
        assert bool(student.grad.isfinite().all()), term.kind
        assert float(student.grad.abs().max()) < 1e3, (
            "no pull towards the logits of unknown classes"
        )


def softened(combined: Knowledge, temperature: float, mean: Mean) -> Tensor:
    return soften(
        combined.logits,
        combined.shares,
        combined.known,
        combined.present,
        temperature=temperature,
        mean=mean,
    )


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_a_teacher_gives_no_probability_to_classes_that_it_does_not_cover(mean: Mean) -> None:
    combined = knowledge(Uniform(), ("low",))
    soft = softened(combined, 1000.0, mean)
    assert bool((soft[:, 4:] == 0).all())
    assert torch.allclose(soft.sum(1), torch.ones(BATCH))


@pytest.mark.parametrize("rule", [Confidence(), CorrectOnly()], ids=lambda rule: rule.kind)
def test_rules_by_label_need_teachers_that_cover_it(rule: WeightingRule) -> None:
    weights = knowledge(rule, tuple(MAPS)).shares
    for row, classes in zip(weights, MAPS.values(), strict=True):
        foreign = torch.isin(LABELS, torch.tensor(classes), invert=True)
        assert bool((row[foreign] == 0).all())


def test_a_single_teacher_of_some_classes_is_softened_over_these() -> None:
    combined = knowledge(Uniform(), ("middle",))
    soft = soften(
        combined.logits,
        combined.shares,
        combined.known,
        combined.present,
        temperature=2.0,
        mean="arithmetic",
    )
    own = (combined.logits[0][:, list(MAPS["middle"])] / 2.0).softmax(1)
    assert torch.allclose(soft[:, list(MAPS["middle"])], own)

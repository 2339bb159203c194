"""The distillation methods that are compared, each with the settings that are tried for it.

All methods have the same number of settings: each of the regime's learning rates with each of its
weight decays and each of three choices of what matters most to the method. The untaught student,
which has nothing to choose, has three times as many weight decays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from benchmarks.ensemble_comparison import choices
from benchmarks.ensemble_comparison.choices import DECAY, Choice
from benchmarks.ensemble_comparison.regimes import Regime

Family = Literal[
    "no teachers", "one teacher", "combining", "noise", "term", "beside soft targets", "schedule"
]  # fmt: skip
CHOICES = 3
UNTAUGHT = "untaught"
LEARNING_RATE = "student.train.optimizer.lr"


@dataclass(frozen=True)
class Setting:
    """One recipe of a method: ``label`` names what was set, ``overrides`` are ``a.b=value``."""

    label: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """One method; ``choices`` are its three in a regime (the untaught student has more)."""

    name: str
    family: Family
    description: str
    choices: Callable[[Regime], Sequence[Choice]]

    def settings(self, regime: Regime) -> tuple[Setting, ...]:
        """Each learning rate with each weight decay and each choice."""
        decays = (None,) if self.name == UNTAUGHT else regime.decays
        return tuple(
            _setting(rate, decay, label, values)
            for rate, decay in product(regime.rates, decays)
            for label, values in self.choices(regime)
        )


def _setting(rate: float, decay: float | None, label: str, values: Mapping[str, Any]) -> Setting:
    """``decay`` is None where the choice itself sets it."""
    values = {LEARNING_RATE: rate, **({} if decay is None else {DECAY: decay}), **values}
    words = (f"lr {rate:g}", "" if decay is None else f"decay {decay:g}", label)
    # JSON is YAML.
    texts = tuple(f"{place}={json.dumps(value)}" for place, value in values.items())
    return Setting(", ".join(word for word in words if word), texts)


def _rule(name: str, description: str) -> Method:
    return Method(
        name, "combining", description, choices.over_weights(ensemble={"weighting": name})
    )


def _methods() -> Iterator[Method]:
    yield Method(UNTAUGHT, "no teachers", "labels only", choices.untaught)
    yield Method("label_smoothing", "no teachers", "smoothed labels", choices.smoothing)
    yield Method(
        "virtual_teacher",
        "no teachers",
        "a virtual teacher: a fixed probability for the label, the rest spread evenly (Tf-KD)",
        choices.over_weights(term="virtual_teacher", weights=(0.1, 0.3, 0.5)),
    )
    yield Method("single", "one teacher", "soft targets of the best single teacher", choices.single)
    yield _rule("uniform", "the mean of the teachers' softened distributions")
    yield Method(
        "geometric",
        "combining",
        "the mean of their log-probabilities",
        choices.over_weights(ensemble={"mean": "geometric"}),
    )
    yield Method("fixed", "combining", "three times the weight for the best teacher", choices.fixed)
    yield _rule("random", "one teacher, drawn for each sample and epoch")
    yield _rule("max_entropy", "for each sample the teacher of highest entropy")
    yield _rule("min_entropy", "for each sample the teacher of lowest entropy")
    yield _rule("confidence", "weights by each teacher's cross-entropy with the label")
    yield _rule("correct_only", "the teachers that predict the label")
    yield _rule("adaptive", "a gating network trained with the student")
    yield Method(
        "specialists",
        "combining",
        "uniform, with teachers of some classes, where they cover the class",
        choices.specialists,
    )
    yield Method("noise", "noise", "uniform, with multiplicative noise on logits", choices.noise)
    yield Method("virtual_3", "noise", "one teacher as three noisy ones", choices.virtual)
    yield Method(
        "logit_l2",
        "term",
        "squared distance of logits",
        choices.replacing_soft_targets("logit_l2", (0.02, 0.1, 0.5)),
    )
    yield Method(
        "probability_l2",
        "term",
        "squared distance of probabilities at temperature 1",
        choices.replacing_soft_targets("probability_l2", (1.0, 3.0, 10.0)),
    )
    yield Method(
        "conditional",
        "term",
        "soft targets where the ensemble is correct, the label elsewhere",
        choices.over_weights(term="conditional"),
    )
    yield Method(
        "decoupled",
        "term",
        "soft targets, with the label and the other classes weighted separately (DKD)",
        choices.decoupled,
    )
    yield Method(
        "correlation",
        "term",
        "correlations within and between samples (DIST)",
        choices.replacing_soft_targets("correlation", (1.0, 3.0, 10.0)),
    )
    yield Method("standardize", "term", "soft targets of standardised logits", choices.standardized)
    yield Method(
        "triplet_order",
        "beside soft targets",
        "plus which of two samples is nearer to a third, by majority of the teachers",
        choices.added_to_soft_targets(choices.triplets),
    )
    yield Method(
        "relations",
        "beside soft targets",
        "plus distances and angles between samples (RKD)",
        choices.added_to_soft_targets(choices.relations, layers=False),
    )
    yield Method(
        "multi_group_hint",
        "beside soft targets",
        "plus hints from layers of several teachers",
        choices.added_to_soft_targets(choices.groups, sizes=(1.0, 10.0, 100.0)),
    )


METHODS = {method.name: method for method in _methods()}
"""All methods by name, in the order of the tables."""

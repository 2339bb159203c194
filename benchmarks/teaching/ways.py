"""The ways of teaching that are compared, each with the settings that are tried for it.

Every way has as many settings as every other one: each of the regime's learning rates with each of
its weight decays and each of three choices of what matters most to that way. The untaught student,
which has nothing to choose, has three times as many weight decays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from benchmarks.teaching import choices
from benchmarks.teaching.choices import DECAY, Choice
from benchmarks.teaching.regimes import Regime

Family = Literal["nobody", "one teacher", "combining", "noise", "term", "beside soft targets"]
CHOICES = 3
UNTAUGHT = "untaught"
LEARNING_RATE = "student.train.optimizer.lr"


@dataclass(frozen=True)
class Setting:
    """One recipe of a way: ``label`` says what was set, ``overrides`` are ``a.b=value``."""

    label: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """One way of teaching; ``choices`` are its three, in a regime (the untaught one's are more)."""

    name: str
    family: Family
    says: str
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
    """``decay`` is none where the choice itself says it."""
    values = {LEARNING_RATE: rate, **({} if decay is None else {DECAY: decay}), **values}
    words = (f"lr {rate:g}", "" if decay is None else f"decay {decay:g}", label)
    # JSON is YAML.
    texts = tuple(f"{place}={json.dumps(value)}" for place, value in values.items())
    return Setting(", ".join(word for word in words if word), texts)


def _rule(name: str, says: str) -> Way:
    return Way(name, "combining", says, choices.over_weights(ensemble={"weighting": name}))


def _ways() -> Iterator[Way]:
    yield Way(UNTAUGHT, "nobody", "the labels alone", choices.untaught)
    yield Way("label_smoothing", "nobody", "smoothed labels", choices.smoothing)
    yield Way(
        "virtual_teacher",
        "nobody",
        "a teacher that is a formula: sure of the label, alike for the others",
        choices.over_weights(term="virtual_teacher", weights=(0.1, 0.3, 0.5)),
    )
    yield Way("single", "one teacher", "soft targets of the best single teacher", choices.single)
    yield _rule("uniform", "the mean of the teachers' softened distributions")
    yield Way(
        "geometric",
        "combining",
        "the mean of their log-probabilities",
        choices.over_weights(ensemble={"mean": "geometric"}),
    )
    yield Way("fixed", "combining", "three times the weight for the best teacher", choices.fixed)
    yield _rule("random", "one teacher, drawn for each sample, anew in each epoch")
    yield _rule("max_entropy", "for each sample the teacher that is least sure")
    yield _rule("min_entropy", "for each sample the teacher that is surest")
    yield _rule("confidence", "weights by each teacher's cross-entropy with the label")
    yield _rule("correct_only", "those teachers that name the label")
    yield _rule("adaptive", "a gate that learns with the student")
    yield Way(
        "specialists",
        "combining",
        "uniform, with teachers of some classes, where they know",
        choices.specialists,
    )
    yield Way("noise", "noise", "uniform, with multiplicative noise on logits", choices.noise)
    yield Way("virtual_3", "noise", "one teacher as three noisy ones", choices.virtual)
    yield Way(
        "logit_l2",
        "term",
        "squared distance of logits",
        choices.instead("logit_l2", (0.02, 0.1, 0.5)),
    )
    yield Way(
        "probability_l2",
        "term",
        "squared distance of probabilities at temperature 1",
        choices.instead("probability_l2", (1.0, 3.0, 10.0)),
    )
    yield Way(
        "conditional",
        "term",
        "soft targets where the ensemble is right, the label where not",
        choices.over_weights(term="conditional"),
    )
    yield Way(
        "decoupled",
        "term",
        "soft targets, the label and the others weighed apart (DKD)",
        choices.decoupled,
    )
    yield Way(
        "correlation",
        "term",
        "correlations within and between samples (DIST)",
        choices.instead("correlation", (1.0, 3.0, 10.0)),
    )
    yield Way("standardize", "term", "soft targets of standardised logits", choices.standardized)
    yield Way(
        "triplet_order",
        "beside soft targets",
        "and which of two samples is nearer to a third, by majority of the teachers",
        choices.beside(choices.triplets),
    )
    yield Way(
        "relations",
        "beside soft targets",
        "and distances and angles among samples (RKD)",
        choices.beside(choices.relations, layers=False),
    )
    yield Way(
        "multi_group_hint",
        "beside soft targets",
        "and hints from layers of several teachers",
        choices.beside(choices.groups, sizes=(1.0, 10.0, 100.0)),
    )


WAYS = {way.name: way for way in _ways()}
"""All ways by name, in the order of the tables."""

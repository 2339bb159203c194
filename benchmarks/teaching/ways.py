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

from benchmarks.teaching.regimes import Regime

Family = Literal["nobody", "one teacher", "combining", "noise", "term", "beside soft targets"]
Choice = tuple[str, Mapping[str, Any]]
"""What is chosen, in words, and the values that it sets by dotted place."""

CHOICES = 3
UNTAUGHT = "untaught"
LEARNING_RATE, DECAY = "student.train.optimizer.lr", "student.train.optimizer.weight_decay"
SOFT = (0.5, 0.9, 1.0)
"""Weights of what the teachers say; the labels have what is left to 1."""


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


def _teaching(term: Mapping[str, Any], weight: float, name: str = "soft_targets") -> dict[str, Any]:
    objective: dict[str, Any] = {name: {**term, "weight": weight}}
    if weight < 1:
        objective["task"] = round(1 - weight, 6)
    return {"student.objective": objective}


def _over_weights(
    *,
    ensemble: Mapping[str, Any] | None = None,
    term: str = "soft_targets",
    weights: Sequence[float] = SOFT,
) -> Callable[[Regime], Sequence[Choice]]:
    """Three weights of a term, under an ensemble that is set up as said."""
    set_up = {f"ensemble.{key}": value for key, value in (ensemble or {}).items()}

    def choices(regime: Regime) -> Sequence[Choice]:
        return [
            (f"weight {weight:g}", {**_teaching({}, weight, term), **set_up}) for weight in weights
        ]

    return choices


def _instead(
    term: str, sizes: Sequence[float], task: float = 0.1
) -> Callable[[Regime], Sequence[Choice]]:
    """Three sizes of a term that stands beside the labels, whose scale is its own."""

    def choices(regime: Regime) -> Sequence[Choice]:
        return [
            (f"weight {size:g}", {"student.objective": {"task": task, term: size}})
            for size in sizes
        ]

    return choices


def _beside(
    terms: Callable[[Regime, float], Mapping[str, Any]],
    *,
    sizes: Sequence[float] = (0.1, 1.0, 10.0),
    layers: bool = True,
) -> Callable[[Regime], Sequence[Choice]]:
    """Three sizes of terms that are added to soft targets; teachers' ``layers`` are kept too."""
    kept = {"ensemble.bank": {"taps": True}} if layers else {}

    def choices(regime: Regime) -> Sequence[Choice]:
        both = {"task": 0.1, "soft_targets": 0.9}
        return [
            (f"weight {size:g}", {"student.objective": {**both, **terms(regime, size)}, **kept})
            for size in sizes
        ]

    return choices


def _untaught(regime: Regime) -> Sequence[Choice]:
    return [
        (
            f"decay {decay:g}",
            {"student.objective": {"task": 1.0}, DECAY: decay},
        )
        for decay in regime.alone
    ]


def _smoothing(regime: Regime) -> Sequence[Choice]:
    return [
        (f"smoothing {share:g}", {"student.objective": {"task": {"label_smoothing": share}}})
        for share in (0.05, 0.1, 0.2)
    ]


def _alone(name: str, regime: Regime) -> dict[str, Any]:
    """One teacher, without the others."""
    return {f"teachers.{other}": None for other in regime.teachers if other != name}


def _single(regime: Regime) -> Sequence[Choice]:
    return [(name, {**_teaching({}, 0.9), **_alone(name, regime)}) for name in regime.teachers]


def _fixed(regime: Regime) -> Sequence[Choice]:
    def weights(favourite: str) -> dict[str, Any]:
        shares = {name: 0.6 if name == favourite else 0.2 for name in regime.teachers}
        return {"ensemble.weighting": {"kind": "fixed", "weights": shares}}

    return [
        (f"{name} 0.6, the others 0.2", {**_teaching({}, 0.9), **weights(name)})
        for name in regime.teachers
    ]


def _noise(regime: Regime) -> Sequence[Choice]:
    return [
        (f"sigma {sigma:g}", {**_teaching({}, 0.9), "ensemble.noise": {"sigma": sigma}})
        for sigma in (0.1, 0.3, 1.0)
    ]


def _virtual(regime: Regime) -> Sequence[Choice]:
    noise = {"ensemble.noise": {"sigma": 0.3, "virtual": 3}}
    return [
        (name, {**_teaching({}, 0.9), **noise, **_alone(name, regime)}) for name in regime.teachers
    ]


def _decoupled(regime: Regime) -> Sequence[Choice]:
    return [
        (f"others {others:g}", _teaching({"others": others}, 0.9, "decoupled"))
        for others in (1.0, 4.0, 8.0)
    ]


def _standardized(regime: Regime) -> Sequence[Choice]:
    # Rows of deviation 1 are flatter than a teacher's own at the same temperature.
    return [
        (
            f"temperature {temperature:g}",
            _teaching({"standardize": True, "temperature": temperature}, 0.9),
        )
        for temperature in (1.0, 2.0, 4.0)
    ]


def _triplets(regime: Regime, size: float) -> Mapping[str, Any]:
    layers = dict(regime.layers)
    return {"triplet_order": {"weight": size, "layers": layers, "guided": regime.layer}}


def _relations(regime: Regime, size: float) -> Mapping[str, Any]:
    return {"relation_distance": size, "relation_angle": 2 * size}


def _groups(regime: Regime, size: float) -> Mapping[str, Any]:
    return {"multi_group_hint": {"weight": size, "groups": [dict(each) for each in regime.groups]}}


def _rule(name: str, says: str) -> Way:
    return Way(name, "combining", says, _over_weights(ensemble={"weighting": name}))


def _ways() -> Iterator[Way]:
    yield Way(UNTAUGHT, "nobody", "the labels alone", _untaught)
    yield Way("label_smoothing", "nobody", "smoothed labels", _smoothing)
    yield Way(
        "virtual_teacher",
        "nobody",
        "a teacher that is a formula: sure of the label, alike for the others",
        _over_weights(term="virtual_teacher", weights=(0.1, 0.3, 0.5)),
    )
    yield Way("single", "one teacher", "soft targets of the best single teacher", _single)
    yield _rule("uniform", "the mean of the teachers' softened distributions")
    yield Way(
        "geometric",
        "combining",
        "the mean of their log-probabilities",
        _over_weights(ensemble={"mean": "geometric"}),
    )
    yield Way("fixed", "combining", "three times the weight for the best teacher", _fixed)
    yield _rule("random", "one teacher, drawn for each sample, anew in each epoch")
    yield _rule("max_entropy", "for each sample the teacher that is least sure")
    yield _rule("min_entropy", "for each sample the teacher that is surest")
    yield _rule("confidence", "weights by each teacher's cross-entropy with the label")
    yield _rule("correct_only", "those teachers that name the label")
    yield _rule("adaptive", "a gate that learns with the student")
    yield Way("noise", "noise", "uniform, with multiplicative noise on logits", _noise)
    yield Way("virtual_3", "noise", "one teacher as three noisy ones", _virtual)
    yield Way(
        "logit_l2", "term", "squared distance of logits", _instead("logit_l2", (0.02, 0.1, 0.5))
    )
    yield Way(
        "probability_l2",
        "term",
        "squared distance of probabilities at temperature 1",
        _instead("probability_l2", (1.0, 3.0, 10.0)),
    )
    yield Way(
        "conditional",
        "term",
        "soft targets where the ensemble is right, the label where not",
        _over_weights(term="conditional"),
    )
    yield Way(
        "decoupled",
        "term",
        "soft targets, the label and the others weighed apart (DKD)",
        _decoupled,
    )
    yield Way(
        "correlation",
        "term",
        "correlations within and between samples (DIST)",
        _instead("correlation", (0.5, 1.0, 3.0)),
    )
    yield Way("standardize", "term", "soft targets of standardised logits", _standardized)
    yield Way(
        "triplet_order",
        "beside soft targets",
        "and which of two samples is nearer to a third, by majority of the teachers",
        _beside(_triplets),
    )
    yield Way(
        "relations",
        "beside soft targets",
        "and distances and angles among samples (RKD)",
        _beside(_relations, layers=False),
    )
    yield Way(
        "multi_group_hint",
        "beside soft targets",
        "and hints from layers of several teachers",
        _beside(_groups, sizes=(1.0, 10.0, 100.0)),
    )


WAYS = {way.name: way for way in _ways()}
"""All ways by name, in the order of the tables."""

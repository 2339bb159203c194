"""What is tried for each method beside learning rate and weight decay: three choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.ensemble_comparison.regimes import Regime

Choice = tuple[str, Mapping[str, Any]]
"""A label, and the values that it sets by dotted path."""

DECAY = "student.train.optimizer.weight_decay"
SOFT = (0.5, 0.9, 1.0)
"""Weights of the term with teachers; the labels have the rest of 1."""
SPECIALTIES = {"low": [0, 1, 2, 3], "middle": [4, 5, 6], "high": [7, 8, 9]}
"""Classes of three specialists."""


def _teaching(term: Mapping[str, Any], weight: float, name: str = "soft_targets") -> dict[str, Any]:
    objective: dict[str, Any] = {name: {**term, "weight": weight}}
    if weight < 1:
        objective["task"] = round(1 - weight, 6)
    return {"student.objective": objective}


def over_weights(
    *,
    ensemble: Mapping[str, Any] | None = None,
    term: str = "soft_targets",
    weights: Sequence[float] = SOFT,
) -> Callable[[Regime], Sequence[Choice]]:
    """Three weights of a term, with these settings of the ensemble."""
    set_up = {f"ensemble.{key}": value for key, value in (ensemble or {}).items()}

    def choices(regime: Regime) -> Sequence[Choice]:
        return [
            (f"weight {weight:g}", {**_teaching({}, weight, term), **set_up}) for weight in weights
        ]

    return choices


def replacing_soft_targets(
    term: str, sizes: Sequence[float], task: float = 0.1
) -> Callable[[Regime], Sequence[Choice]]:
    """Three weights of a term that replaces soft targets, with a scale of its own."""

    def choices(regime: Regime) -> Sequence[Choice]:
        return [
            (f"weight {size:g}", {"student.objective": {"task": task, term: size}})
            for size in sizes
        ]

    return choices


def added_to_soft_targets(
    terms: Callable[[Regime, float], Mapping[str, Any]],
    *,
    sizes: Sequence[float] = (0.1, 1.0, 10.0),
    layers: bool = True,
) -> Callable[[Regime], Sequence[Choice]]:
    """Three weights of terms added to soft targets; with ``layers``, tapped layers are stored."""
    kept = {"ensemble.bank": {"taps": True}} if layers else {}

    def choices(regime: Regime) -> Sequence[Choice]:
        both = {"task": 0.1, "soft_targets": 0.9}
        return [
            (f"weight {size:g}", {"student.objective": {**both, **terms(regime, size)}, **kept})
            for size in sizes
        ]

    return choices


def untaught(regime: Regime) -> Sequence[Choice]:
    """As many weight decays as other methods have choices and decays."""
    return [
        (
            f"decay {decay:g}",
            {"student.objective": {"task": 1.0}, DECAY: decay},
        )
        for decay in regime.untaught_decays
    ]


def smoothing(regime: Regime) -> Sequence[Choice]:
    """Three shares of smoothing."""
    return [
        (f"smoothing {share:g}", {"student.objective": {"task": {"label_smoothing": share}}})
        for share in (0.05, 0.1, 0.2)
    ]


def _alone(name: str, regime: Regime) -> dict[str, Any]:
    """One teacher, without the others."""
    return {f"teachers.{other}": None for other in regime.teachers if other != name}


def single(regime: Regime) -> Sequence[Choice]:
    """Each teacher without the others."""
    return [(name, {**_teaching({}, 0.9), **_alone(name, regime)}) for name in regime.teachers]


def fixed(regime: Regime) -> Sequence[Choice]:
    """Each teacher in turn with three times the weight of any other."""

    def weights(favourite: str) -> dict[str, Any]:
        shares = {name: 0.6 if name == favourite else 0.2 for name in regime.teachers}
        return {"ensemble.weighting": {"kind": "fixed", "weights": shares}}

    return [
        (f"{name} 0.6, the others 0.2", {**_teaching({}, 0.9), **weights(name)})
        for name in regime.teachers
    ]


def specialists(regime: Regime) -> Sequence[Choice]:
    """Three teachers of some classes each, built and trained as the regime's first one."""
    first, *others = regime.teachers
    like = regime.recipe["teachers"][first]
    own = {f"teachers.{name}": {**like, "classes": known} for name, known in SPECIALTIES.items()}
    shared = {**_teaching({}, 0.9), "ensemble.weighting": "specialists", **own}
    gone = {f"teachers.{other}": None for other in others}
    return [
        ("alone", {**shared, **gone, f"teachers.{first}": None}),
        (f"beside {first}", {**shared, **gone}),
        ("beside all", shared),
    ]


def noise(regime: Regime) -> Sequence[Choice]:
    """Three sizes of noise."""
    return [
        (f"sigma {sigma:g}", {**_teaching({}, 0.9), "ensemble.noise": {"sigma": sigma}})
        for sigma in (0.1, 0.3, 1.0)
    ]


def virtual(regime: Regime) -> Sequence[Choice]:
    """Each teacher alone, as three teachers with noise."""
    noise = {"ensemble.noise": {"sigma": 0.3, "virtual": 3}}
    return [
        (name, {**_teaching({}, 0.9), **noise, **_alone(name, regime)}) for name in regime.teachers
    ]


def decoupled(regime: Regime) -> Sequence[Choice]:
    """Three weights of the classes that are not the label."""
    return [
        (f"others {others:g}", _teaching({"others": others}, 0.9, "decoupled"))
        for others in (1.0, 4.0, 8.0)
    ]


def standardized(regime: Regime) -> Sequence[Choice]:
    """Three temperatures."""
    # Rows of deviation 1 are flatter than a teacher's own at the same temperature.
    return [
        (
            f"temperature {temperature:g}",
            _teaching({"standardize": True, "temperature": temperature}, 0.9),
        )
        for temperature in (0.5, 1.0, 2.0)
    ]


def triplets(regime: Regime, size: float) -> Mapping[str, Any]:
    """The term with all teachers' layers."""
    layers = dict(regime.layers)
    return {"triplet_order": {"weight": size, "layers": layers, "guided": regime.layer}}


def relations(regime: Regime, size: float) -> Mapping[str, Any]:
    """Distances and angles among the outputs, in the proportion that was published."""
    return {"relation_distance": size, "relation_angle": 2 * size}


def groups(regime: Regime, size: float) -> Mapping[str, Any]:
    """The term with the regime's groups."""
    return {"multi_group_hint": {"weight": size, "groups": [dict(each) for each in regime.groups]}}

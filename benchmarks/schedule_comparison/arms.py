"""What is compared in each regime, each with the settings that are tried for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from benchmarks.ensemble_comparison.choices import DECAY, Choice
from benchmarks.ensemble_comparison.methods import UNTAUGHT, Method, Setting
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.schedule_comparison.regimes import TEACHER, ScheduleRegime

DIRECT = "direct"
ANCHORS = 3
Plain = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Arm(Method):
    """One way from teacher to student. ``against`` is the arm that it is compared with, if any.

    ``mean_of_generations``: the mean prediction of all generations is scored, not the last one.
    Learning rate and weight decay are the recipe's: what is tried are ``choices`` alone.
    """

    against: str = DIRECT
    mean_of_generations: bool = False

    def settings(self, regime: Regime) -> tuple[Setting, ...]:
        """Each of the choices."""
        # JSON is YAML.
        return tuple(
            Setting(label, tuple(f"{place}={json.dumps(each)}" for place, each in values.items()))
            for label, values in self.choices(regime)
        )


def arms(regime: ScheduleRegime) -> tuple[Arm, ...]:
    """The arms of a regime, the untaught and the directly taught student first."""
    first = (
        Arm(
            name=UNTAUGHT,
            family="no teachers",
            description="labels only",
            choices=_decays,
            against="",
        ),
        _arm(DIRECT, "taught by the teacher itself", regime, against=UNTAUGHT),
    )
    groups = {
        "depth": _depths,
        "chain": _paths,
        "generations": _generations,
        "route": _routes,
        "early": _early,
    }
    return (*first, *(arm for part in regime.parts for arm in groups[part](regime)))


def _arm(
    name: str,
    description: str,
    regime: ScheduleRegime,
    overrides: Plain | None = None,
    *,
    against: str = DIRECT,
    mean_of_generations: bool = False,
    term: str = "soft_targets",
    until: int | None = None,
) -> Arm:
    def choices(_: Regime) -> Sequence[Choice]:
        return [
            (f"T {temperature:g}, weight {weight:g}",
             {"ensemble": {"temperature": temperature},
              "student.objective": _objective(term, weight, until), **(overrides or {})})
            for temperature, weight in regime.grid
        ]  # fmt: skip

    return Arm(
        name=name,
        family="schedule",
        description=description,
        choices=choices,
        against=against,
        mean_of_generations=mean_of_generations,
    )


def _objective(term: str, weight: float, until: int | None) -> Plain:
    rest = round(1 - weight, 6)
    if until is None:
        return {"task": rest, term: weight}
    return {
        "task": {"weight": {"kind": "stop", "value": rest, "epoch": until, "after": 1.0}},
        term: {"weight": {"kind": "stop", "value": weight, "epoch": until}},
    }


def _decays(regime: Regime) -> Sequence[Choice]:
    return [
        (f"decay {decay:g}", {DECAY: decay, "student.objective": {"task": 1.0}})
        for decay in regime.untaught_decays
    ]


def _path(regime: ScheduleRegime, names: Sequence[str]) -> Arm:
    schedule = {"kind": "assistants", "path": [regime.sizes[name] for name in names]}
    described = f"taught along a path of assistants: {', then '.join(names)}"
    return _arm(f"by {'-'.join(names)}", described, regime, {"schedule": schedule})


def _depths(regime: ScheduleRegime) -> Iterator[Arm]:
    names = tuple(regime.sizes)
    for start in reversed(range(len(names))):
        yield _path(regime, names[start:])


def _paths(regime: ScheduleRegime) -> Iterator[Arm]:
    for count in range(1, len(regime.sizes) + 1):
        for names in combinations(regime.sizes, count):
            yield _path(regime, names)
    candidates = list(regime.sizes.values())
    yield _arm(
        "auto",
        "taught by one assistant, which `path: auto` chooses",
        regime,
        {"schedule": {"kind": "assistants", "path": "auto", "candidates": candidates}},
    )


def _generations(regime: ScheduleRegime) -> Iterator[Arm]:
    def schedule(count: int) -> Plain:
        return {"schedule": {"kind": "born_again", "generations": count}}

    yield _arm("2 generations", "the second generation", regime, schedule(2))
    yield _arm("3 generations", "the third generation", regime, schedule(3))
    yield _arm(
        "mean of 3",
        "the mean prediction of three generations (BANE): three models",
        regime,
        schedule(3),
        mean_of_generations=True,
    )
    yield _arm(
        "CWTM", "labels weighted by the teacher's confidence", regime, term="confidence_weighted"
    )
    yield _arm(
        "DKPP",
        "soft targets whose other classes are permuted",
        regime,
        term="permuted_targets",
    )


def _routes(regime: ScheduleRegime) -> Iterator[Arm]:
    route = {"kind": "route", "anchors": ANCHORS}
    yield _arm(
        "route, as long",
        f"{ANCHORS} anchors of the teacher, {regime.epochs // ANCHORS} epochs each",
        regime,
        {"schedule": route, "student.train.epochs": regime.epochs // ANCHORS},
    )
    long = f"direct, {ANCHORS} times as long"
    yield _arm(
        long,
        "taught by the teacher's last anchor for all epochs of the route",
        regime,
        {"student.train.epochs": regime.epochs * ANCHORS},
    )
    yield _arm(
        f"route, {ANCHORS} times as long",
        f"{ANCHORS} anchors of the teacher, {regime.epochs} epochs each",
        regime,
        {"schedule": route},
        against=long,
    )


def _early(regime: ScheduleRegime) -> Iterator[Arm]:
    every = regime.teacher_epochs
    for stop in (every // 3, 2 * every // 3):
        yield _arm(
            f"teacher stops at {stop}",
            f"its training ends after {stop} of {every} epochs",
            regime,
            {f"teachers.{TEACHER}.train.stop_epoch": stop},
        )
    until = 2 * regime.epochs // 3
    yield _arm(
        f"teaching stops at {until}",
        f"soft targets for {until} of {regime.epochs} epochs, then labels alone",
        regime,
        until=until,
    )

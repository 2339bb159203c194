"""Trials as values: what came of what was proposed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import SearchConfig, constraints

Curve = Mapping[int, Mapping[str, float]]
"""Scores after each step of a trial, the first one 1: after an epoch; or of a seed alone, where a
trial has several."""

OVERRIDES, RESULT = "overrides", "result"
"""Attributes of a trial in the study's storage."""


@dataclass(frozen=True)
class Result:
    """What came of a trial: its scores by name, its curve, why it was ended or has failed;
    ``rungs`` are what a pruner has recorded, ``record`` what its caller has."""

    state: TrialState
    scores: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = field(default_factory=dict)
    seconds: float = 0.0
    reason: str | None = None
    rungs: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    def values(self, config: SearchConfig) -> list[float] | None:
        """What is optimized, as Optuna takes it; none of a trial that is not complete."""
        if self.state is not TrialState.COMPLETE:
            return None
        return [self.scores[name] for name in config.scores]


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial: as Optuna takes it, and what came of it."""

    number: int
    frozen: FrozenTrial
    result: Result

    @property
    def overrides(self) -> Mapping[str, Any]:
        """The values of the recipe that it stands for."""
        return dict(self.frozen.user_attrs[OVERRIDES])


@dataclass(frozen=True)
class StudySpec:
    """What a study asks: its name, its section, the seed of its draws, the most steps of a
    trial; the draws of trial 0, where the recipe's ``own`` values lie in the space; and
    ``foreign`` trials of another study that are known from the start."""

    name: str
    config: SearchConfig
    seed: int
    steps: int
    own: Mapping[str, Any] | None = None
    foreign: tuple[FrozenTrial, ...] = ()


def finish(
    config: SearchConfig, number: int, proposal: FrozenTrial, result: Result
) -> FinishedTrial:
    """A proposal with what came of it, as samplers and pruners take it."""
    single = config.single_score
    frozen = create_trial(
        state=result.state,
        values=result.values(config),
        params=proposal.params,
        distributions=proposal.distributions,
        # Not what a storage has beside it: a study in memory copies all of it.
        user_attrs={OVERRIDES: proposal.user_attrs[OVERRIDES]},
        system_attrs={**_without_constraints(proposal.system_attrs), **result.rungs},
        intermediate_values={
            step: scores[single]
            for step, scores in result.curve.items()
            if single is not None and single in scores
        },
        constraints=constraints(config.limits, result.scores) or None,
    )
    return FinishedTrial(number, frozen, result)


def mean_scores(seeds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over some seeds."""
    first, *others = seeds
    return {name: fmean([first[name], *(each[name] for each in others)]) for name in first}


def _without_constraints(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a trial that comes from a storage; the constraints follow from its scores."""
    return {k: value for k, value in attributes.items() if not k.startswith("constraints:")}

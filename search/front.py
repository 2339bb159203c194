"""The front of a study: the trials that keep all limits and that no other one dominates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial, reduce

from optuna.trial import TrialState

from search.config import SearchConfig
from search.trials import FinishedTrial


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether ``one`` is nowhere lower than ``other`` and somewhere higher."""
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def is_eligible(trial: FinishedTrial) -> bool:
    """Whether a trial is complete and keeps all limits."""
    complete = trial.result.state is TrialState.COMPLETE
    return complete and all(excess <= 0 for excess in trial.frozen.constraints.values())


def front_of(config: SearchConfig, known: Iterable[FinishedTrial]) -> list[FinishedTrial]:
    """The front of ``known`` trials, in the order of their numbers; with one score, the first of
    the best ones. A student that was drawn again is not on it twice."""
    return reduce(partial(extend_front, config), known, [])


def extend_front(
    config: SearchConfig, front: list[FinishedTrial], trial: FinishedTrial
) -> list[FinishedTrial]:
    """The front when ``trial`` is finished, after all of ``front``."""
    if not is_eligible(trial):
        return front
    own = config.signed(trial.result.scores)
    before = [config.signed(each.result.scores) for each in front]
    if any(dominates(each, own) or (each == own and len(own) == 1) for each in before):
        return front
    if any(trial.frozen.params == each.frozen.params for each in front):
        return front
    kept = [each for each, values in zip(front, before, strict=True) if not dominates(own, values)]
    return [*kept, trial]


def best_first(config: SearchConfig, trials: Iterable[FinishedTrial]) -> list[FinishedTrial]:
    """Complete trials, the best by the first score first."""
    return sorted(trials, key=lambda each: config.signed(each.result.scores)[0], reverse=True)

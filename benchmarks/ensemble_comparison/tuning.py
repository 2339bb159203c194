"""Tunes each method on the validation part, then trains with other seeds; stores the results.

HOME/ensembles/REGIME/METHOD.json   the result of one method; what is stored is not computed again
HOME/ensembles/REGIME/METHOD.lock   held by the process that works on it: several may share a home
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from benchmarks.ensemble_comparison.methods import Method, Setting
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.training import Score, StudentTraining
from cluster.errors import ClusterError
from orchestrator.errors import RecipeProblems
from orchestrator.planning.fingerprint import STAGE_FORMAT
from students.errors import TrainingError, UserError

FIRST_TUNING_SEED = 1000
"""Settings are chosen by students of seeds from here on, and compared by those of seeds from 0
on, so that no student does both."""

DIVERGED_NLL = 1e9
"""Stands for the validation loss of a setting whose training failed."""

Train = Callable[[Setting, int, int], tuple[Score, ...]]
"""Trains one setting with so many seeds from a first one on."""


@dataclass(frozen=True)
class TriedSetting:
    """One setting on the tuning seeds: mean validation accuracy, and loss in nats."""

    label: str
    validation: float
    nll: float


@dataclass(frozen=True)
class MethodResult:
    """The result of one method in one regime; ``problem`` says why there is none."""

    method: str = ""
    tried: tuple[TriedSetting, ...] = ()
    chosen: str = ""
    scores: tuple[Score, ...] = ()
    problem: str = ""

    @property
    def tests(self) -> list[float]:
        """Test accuracies by seed."""
        return [score.test for score in self.scores]


@dataclass(frozen=True)
class Budget:
    """How many settings of each method are tried (all, if None), and the seeds compared."""

    seeds: int = 5
    trials: int | None = None


def tune_and_train(
    settings: Sequence[Setting], train: Train, *, seeds: int, tuning: int
) -> MethodResult:
    """Tries all settings, chooses the best by validation, and trains it with the seeds compared.

    Of equal accuracies the lower validation loss counts, then the first setting. A setting whose
    training fails is the worst.
    """
    tried = [_try(setting, train, tuning) for setting in settings]
    best = min(range(len(tried)), key=lambda index: (-tried[index].validation, tried[index].nll))
    scores = train(settings[best], 0, seeds)
    return MethodResult("", tuple(tried), settings[best].label, scores)


def _try(setting: Setting, train: Train, tuning: int) -> TriedSetting:
    try:
        scores = train(setting, FIRST_TUNING_SEED, tuning)
    except TrainingError:
        return TriedSetting(setting.label, 0.0, DIVERGED_NLL)
    return TriedSetting(
        setting.label,
        fmean(score.validation for score in scores),
        fmean(score.nll for score in scores),
    )


def run_method(
    method: Method,
    regime: Regime,
    training: StudentTraining,
    budget: Budget,
    done: Callable[[int], None],
) -> MethodResult:
    """Tunes and trains one method in one regime; ``done`` is given each number of students."""

    def train(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        scores = training.train(regime, setting.overrides, first=first, seeds=seeds)
        done(seeds)
        return scores

    if reason := regime.left_out.get(method.name):
        return MethodResult(method.name, problem=reason)
    settings = method.settings(regime)[: budget.trials]
    try:
        result = tune_and_train(settings, train, seeds=budget.seeds, tuning=regime.tuning_seeds)
    except RecipeProblems as problems:
        return MethodResult(method.name, problem=f"refused: {problems.problems[0]}")
    except (UserError, ClusterError) as error:
        return MethodResult(method.name, problem=f"failed: {error}")
    return replace(result, method=method.name)


@dataclass(frozen=True)
class ResultStore:
    """The results so far, in files."""

    folder: Path

    def read(self, method: Method, regime: Regime, budget: Budget) -> MethodResult | None:
        """The result under just these settings; None if there is none."""
        try:
            stored = json.loads(self._path(method, regime).read_text())
        except FileNotFoundError:
            return None
        if stored["asked"] != identity(method, regime, budget):
            return None
        return replace(_RESULT.validate_python(stored["found"]), method=method.name)

    def write(self, result: MethodResult, method: Method, regime: Regime, budget: Budget) -> None:
        """Stores it, unless it has a problem: then it may be tried again."""
        if result.problem:
            return
        path = self._path(method, regime)
        partial = path.with_suffix(".partial")
        content = {"asked": identity(method, regime, budget), "found": asdict(result)}
        partial.write_text(json.dumps(content, indent=1))
        partial.replace(path)

    def claim(self, method: Method, regime: Regime) -> FileLock | None:
        """The lock of this result, held; None if another process has it."""
        path = self._path(method, regime)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    def _path(self, method: Method, regime: Regime) -> Path:
        return self.folder / regime.name / f"{method.name}.json"


_RESULT = TypeAdapter(MethodResult)


def identity(method: Method, regime: Regime, budget: Budget) -> dict[str, Any]:
    """All that determines a result."""
    settings = method.settings(regime)[: budget.trials]
    return {
        "format": STAGE_FORMAT,
        "recipe": {key: value for key, value in regime.recipe.items() if key != "name"},
        "settings": [[setting.label, *setting.overrides] for setting in settings],
        "seeds": budget.seeds,
        "tuning_seeds": regime.tuning_seeds,
    }


def run_comparison(
    regimes: Sequence[Regime],
    methods: Sequence[Method],
    training: StudentTraining,
    store: ResultStore,
    budget: Budget,
    done: Callable[[int], None],
) -> Iterator[tuple[Regime, MethodResult]]:
    """Computes all results that are not stored and on which no other process works."""
    for regime in regimes:
        for method in methods:
            lock = store.claim(method, regime)
            if lock is None:
                continue
            with lock:
                result = store.read(method, regime, budget)
                if result is None:
                    result = run_method(method, regime, training, budget, done)
                    store.write(result, method, regime, budget)
            yield regime, result

"""Tunes each way on the validation part, then teaches with other seeds; keeps what was found.

HOME/ensembles/REGIME/WAY.json   what was found of one way; the same question is not asked twice
HOME/ensembles/REGIME/WAY.lock   held by the process that works on it: several may share a home
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from benchmarks.teaching.regimes import Regime
from benchmarks.teaching.school import School, Score
from benchmarks.teaching.ways import Setting, Way
from cluster.errors import ClusterError
from orchestrator.errors import RecipeProblems
from orchestrator.planning.fingerprint import STAGE_FORMAT
from students.errors import TrainingError, UserError

TUNING = 1000
"""The first seed of the students by which settings are chosen; those that are compared have
seeds from 0 on, so no student chooses and is compared."""

LARGE = 1e9
"""Nats of a setting whose training broke off."""

Teach = Callable[[Setting, int, int], tuple[Score, ...]]
"""Teaches one setting with so many seeds from a first one on."""


@dataclass(frozen=True)
class Tried:
    """One setting on the tuning seeds: mean validation accuracy, and nats of its labels."""

    label: str
    validation: float
    nll: float


@dataclass(frozen=True)
class Found:
    """What came of one way in one regime; ``problem`` says why nothing did."""

    way: str
    tried: tuple[Tried, ...] = ()
    chosen: str = ""
    scores: tuple[Score, ...] = ()
    problem: str = ""

    @property
    def tests(self) -> list[float]:
        """Test accuracies by seed."""
        return [score.test for score in self.scores]


@dataclass(frozen=True)
class Budget:
    """How many settings of each way are tried (all, if not said), and seeds are compared."""

    seeds: int = 5
    trials: int | None = None


def contend(settings: Sequence[Setting], teach: Teach, *, seeds: int, tuning: int) -> Found:
    """Tries all settings, takes the best by validation, and teaches with the seeds compared.

    Of equal accuracies the lower validation loss counts, then the first setting. A setting whose
    training breaks off is the worst.
    """
    tried = [_tried(setting, teach, tuning) for setting in settings]
    best = min(range(len(tried)), key=lambda place: (-tried[place].validation, tried[place].nll))
    scores = teach(settings[best], 0, seeds)
    return Found("", tuple(tried), settings[best].label, scores)


def _tried(setting: Setting, teach: Teach, tuning: int) -> Tried:
    try:
        scores = teach(setting, TUNING, tuning)
    except TrainingError:
        return Tried(setting.label, 0.0, LARGE)
    return Tried(
        setting.label,
        fmean(score.validation for score in scores),
        fmean(score.nll for score in scores),
    )


def hold(
    way: Way, regime: Regime, school: School, budget: Budget, done: Callable[[int], None]
) -> Found:
    """The contest of one way in one regime; ``done`` is told of each number of students."""

    def teach(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        scores = school.teach(regime, setting.overrides, first=first, seeds=seeds)
        done(seeds)
        return scores

    if reason := regime.left_out.get(way.name):
        return Found(way.name, problem=reason)
    settings = way.settings(regime)[: budget.trials]
    try:
        found = contend(settings, teach, seeds=budget.seeds, tuning=regime.tuning_seeds)
    except RecipeProblems as problems:
        return Found(way.name, problem=f"refused: {problems.problems[0]}")
    except (UserError, ClusterError) as error:
        return Found(way.name, problem=f"failed: {error}")
    return Found(way.name, found.tried, found.chosen, found.scores)


@dataclass(frozen=True)
class Records:
    """What was found so far, in files."""

    folder: Path

    def read(self, way: Way, regime: Regime, budget: Budget) -> Found | None:
        """What was found of this very question, if it was asked."""
        try:
            kept = json.loads(self._path(way, regime).read_text())
        except FileNotFoundError:
            return None
        if kept["asked"] != asked(way, regime, budget):
            return None
        return _FOUND.validate_python(kept["found"])

    def write(self, found: Found, way: Way, regime: Regime, budget: Budget) -> None:
        """Keeps it; what has a problem may be asked again."""
        if found.problem:
            return
        path = self._path(way, regime)
        partial = path.with_suffix(".partial")
        text = json.dumps({"asked": asked(way, regime, budget), "found": asdict(found)}, indent=1)
        partial.write_text(text)
        partial.replace(path)

    def claim(self, way: Way, regime: Regime) -> FileLock | None:
        """The lock of this question, held; none if another process has it."""
        path = self._path(way, regime)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    def _path(self, way: Way, regime: Regime) -> Path:
        return self.folder / regime.name / f"{way.name}.json"


_FOUND = TypeAdapter(Found)


def asked(way: Way, regime: Regime, budget: Budget) -> dict[str, Any]:
    """All that decides what is found."""
    settings = way.settings(regime)[: budget.trials]
    return {
        "format": STAGE_FORMAT,
        "recipe": {key: value for key, value in regime.recipe.items() if key != "name"},
        "settings": [[setting.label, *setting.overrides] for setting in settings],
        "seeds": budget.seeds,
        "tuning_seeds": regime.tuning_seeds,
    }


def course(
    regimes: Sequence[Regime],
    ways: Sequence[Way],
    school: School,
    records: Records,
    budget: Budget,
    done: Callable[[int], None],
) -> Iterator[tuple[Regime, Found]]:
    """Works through all that is not found yet and that no other process works on."""
    for regime in regimes:
        for way in ways:
            lock = records.claim(way, regime)
            if lock is None:
                continue
            with lock:
                found = records.read(way, regime, budget)
                if found is None:
                    found = hold(way, regime, school, budget, done)
                    records.write(found, way, regime, budget)
            yield regime, found

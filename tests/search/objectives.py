"""Objectives that train nothing, for tests of how a study explores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from search.config import SearchConfig
from search.explore import Observer, StudyWatcher, TrialCheck, explore
from search.study import open_storage, open_study
from search.trials import FinishedTrial, StudySpec, mean_scores

SPACE = {"x": {"float": [0.0, 1.0]}, "w": {"int": [1, 50], "log": True}}
EPOCHS = 5


def config(**settings: Any) -> SearchConfig:
    """A section with a space of two numbers."""
    return SearchConfig.model_validate({"trials": 12, "parallel": 3, "space": SPACE, **settings})


@dataclass
class Quadratic:
    """Best at x = 0.3; is killed after so many epochs of all trials together, and records what was
    evaluated."""

    killed_after: int | None = None
    evaluated: list[int] = field(default_factory=list)
    epochs: int = 0

    def check(self, overrides: Mapping[str, Any]) -> TrialCheck:
        return TrialCheck(costs={"parameters": 100.0 * overrides["w"]})

    def cancel(self) -> None:
        pass

    def evaluate(
        self, number: int, overrides: Mapping[str, Any], observe: Observer, plan: Any
    ) -> Mapping[str, float]:
        self.evaluated.append(number)
        best = 1.0 - (overrides["x"] - 0.3) ** 2
        for epoch in range(1, EPOCHS + 1):
            self.epochs += 1
            if self.epochs == self.killed_after:
                raise KeyboardInterrupt
            observe(epoch, {"accuracy": best * epoch / EPOCHS, "nll": 1.0 / epoch})
        return {"accuracy": best, "nll": 1.0 / EPOCHS}


class OnSeeds(Quadratic):
    """The same on several seeds, which all trials share; the score is the mean over them."""

    seeds = 8

    def check(self, overrides: Mapping[str, Any]) -> TrialCheck:
        return replace(super().check(overrides), steps=self.seeds)

    def evaluate(
        self, number: int, overrides: Mapping[str, Any], observe: Observer, plan: Any
    ) -> Mapping[str, float]:
        found = []
        for seed in range(1, self.seeds + 1):
            self.epochs += 1
            if self.epochs == self.killed_after:
                raise KeyboardInterrupt
            found.append(self.score(overrides["x"], seed))
            observe(seed, found[-1])
        return mean_scores(found)

    @staticmethod
    def score(x: float, seed: int) -> Mapping[str, float]:
        return {"accuracy": 1.0 - (x - 0.3) ** 2 + 0.2 * math.sin(37 * x + 9 * seed), "nll": 1.0}


def run(file: Path, section: SearchConfig, objective: Any, **asked: Any) -> list[FinishedTrial]:
    """Runs what is left of the study in ``file``."""
    storage = open_storage(f"sqlite:///{file}")
    stored = open_study(storage, "study", section, {"space": section.space}, new=False)
    whole = StudySpec("study", section, 7, EPOCHS, **asked)
    return explore(whole, stored, objective, StudyWatcher())


def history(trials: list[FinishedTrial]) -> list[Any]:
    """What an undisturbed study must have in common with one that was killed."""
    return [
        (trial.number, trial.frozen.params, trial.frozen.values, trial.result.state.name)
        for trial in trials
    ]

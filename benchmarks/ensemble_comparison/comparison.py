"""What is compared, where its results are stored, and which there are so far."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ensemble_comparison.methods import Method
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.tuning import Budget, MethodResult, ResultStore

Problems = dict[str, dict[str, MethodResult]]
"""Methods that cannot be trained, by regime."""
StepSeconds = dict[str, dict[str, list[float]]]
"""Seconds of a step, by regime and method, one figure for each round."""


@dataclass(frozen=True)
class Comparison:
    """The regimes and methods compared, and the home of their results."""

    regimes: tuple[Regime, ...]
    methods: tuple[Method, ...]
    budget: Budget
    home: Path

    @property
    def store(self) -> ResultStore:
        """The results so far."""
        return ResultStore(self.home / "ensembles")

    @property
    def students(self) -> int:
        """How many students are trained at most."""
        return sum(
            len(method.settings(regime)[: self.budget.trials]) * regime.tuning_seeds
            + self.budget.seeds
            for regime in self.regimes
            for method in self.methods
            if method.name not in regime.left_out
        )

    def results(self, regime: Regime) -> dict[str, MethodResult]:
        """The results so far of a regime, by method."""
        each = {method.name: self._result(method, regime) for method in self.methods}
        return {name: result for name, result in each.items() if result is not None}

    def results_by_regime(self, problems: Problems) -> dict[str, dict[str, MethodResult]]:
        """The results so far in the order of the tables, without regimes that have none."""
        found = {}
        for regime in self.regimes:
            results = {**self.results(regime), **problems.get(regime.name, {})}
            if any(each.scores for each in results.values()):
                ordered = (method.name for method in self.methods if method.name in results)
                found[regime.name] = {name: results[name] for name in ordered}
        return found

    def _result(self, method: Method, regime: Regime) -> MethodResult | None:
        if reason := regime.left_out.get(method.name):
            return MethodResult(method.name, problem=reason)
        return self.store.read(method, regime, self.budget)

    @property
    def _steps_file(self) -> Path:
        return self.home / "ensembles" / "steps.json"

    def step_seconds(self) -> StepSeconds:
        """The step times measured so far."""
        if not self._steps_file.exists():
            return {}
        stored: StepSeconds = json.loads(self._steps_file.read_text())
        return stored

    def store_steps(self, regime: Regime, seconds: dict[str, list[float]]) -> None:
        """Stores the step times of one regime."""
        self._steps_file.parent.mkdir(parents=True, exist_ok=True)
        every = {**self.step_seconds(), regime.name: seconds}
        self._steps_file.write_text(json.dumps(every, indent=1))

    def as_object(self, problems: Problems) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            regime.name: {
                "description": regime.description,
                "methods": {
                    name: asdict(result)
                    for name, result in {
                        **self.results(regime),
                        **problems.get(regime.name, {}),
                    }.items()
                },
                "step_seconds": self.step_seconds().get(regime.name, {}),
            }
            for regime in self.regimes
        }

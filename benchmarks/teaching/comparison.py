"""What is compared, where it is kept, and what of it is known so far."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.teaching.contest import Budget, Found, Records
from benchmarks.teaching.regimes import Regime
from benchmarks.teaching.ways import Way

Problems = dict[str, dict[str, Found]]
"""What became of ways that cannot be taught, by regime."""
Steps = dict[str, dict[str, list[float]]]
"""Seconds of a step, by regime and way, one figure for each round."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where it is kept."""

    regimes: tuple[Regime, ...]
    ways: tuple[Way, ...]
    budget: Budget
    home: Path

    @property
    def records(self) -> Records:
        """What was found so far."""
        return Records(self.home / "ensembles")

    @property
    def students(self) -> int:
        """How many students the whole has at most."""
        return sum(
            len(way.settings(regime)[: self.budget.trials]) * regime.tuning_seeds
            + self.budget.seeds
            for regime in self.regimes
            for way in self.ways
            if way.name not in regime.left_out
        )

    def found(self, regime: Regime) -> dict[str, Found]:
        """What is known of a regime, by way; without what was never found."""
        known = {way.name: self._known(way, regime) for way in self.ways}
        return {name: found for name, found in known.items() if found is not None}

    def findings(self, problems: Problems) -> dict[str, dict[str, Found]]:
        """What is known of each way, in the order of the tables; without regimes of which nothing
        is."""
        known = {}
        for regime in self.regimes:
            found = {**self.found(regime), **problems.get(regime.name, {})}
            if any(each.scores for each in found.values()):
                known[regime.name] = {
                    way.name: found[way.name] for way in self.ways if way.name in found
                }
        return known

    def _known(self, way: Way, regime: Regime) -> Found | None:
        if reason := regime.left_out.get(way.name):
            return Found(way.name, problem=reason)
        return self.records.read(way, regime, self.budget)

    @property
    def _measured(self) -> Path:
        return self.home / "ensembles" / "steps.json"

    def steps(self) -> Steps:
        """What was measured of steps so far."""
        if not self._measured.exists():
            return {}
        kept: Steps = json.loads(self._measured.read_text())
        return kept

    def keep_steps(self, regime: Regime, turns: dict[str, list[float]]) -> None:
        """Keeps what was measured in one regime."""
        self._measured.parent.mkdir(parents=True, exist_ok=True)
        self._measured.write_text(json.dumps({**self.steps(), regime.name: turns}, indent=1))

    def as_object(self, problems: Problems) -> dict[str, Any]:
        """All figures."""
        return {
            regime.name: {
                "says": regime.says,
                "ways": {
                    name: asdict(found)
                    for name, found in {
                        **self.found(regime),
                        **problems.get(regime.name, {}),
                    }.items()
                },
                "step_seconds": self.steps().get(regime.name, {}),
            }
            for regime in self.regimes
        }

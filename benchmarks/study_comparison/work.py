"""The recipes that are compared: all have the samples, networks and optimizer of the peers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.throughput_comparison.our_runs import OurRun, Workload, recipe
from benchmarks.throughput_comparison.setting import TEACHERS

TAUGHT, UNTAUGHT = OurRun(len(TEACHERS), teachers_precision="fp32"), OurRun(0)
"""A study runs teachers in fp32, unless its recipe says otherwise; so separate runs do as well."""

LINEAR = {"kind": "mlp", "hidden": []}
"""A student that costs next to nothing beside its teachers."""

SPACE = {
    "ensemble.temperature": {"float": [1.0, 20.0], "log": True},
    "student.objective.soft_targets.weight": {"float": [0.5, 1.0]},
    "student.objective.task.weight": {"complement": "student.objective.soft_targets.weight"},
    "student.train.optimizer.lr": {"float": [0.02, 0.3], "log": True},
}
"""No architecture, so that all trials cost the same."""


@dataclass(frozen=True)
class StudyWork:
    """A study of ``trials``, ``parallel`` at a time with ``threads`` for each role; each trains a
    student for ``epochs`` of a ``fraction`` of the samples, in ``views``."""

    root: Path
    trials: int
    parallel: int
    threads: int
    fraction: float
    epochs: int
    views: int | Literal["all"]

    @property
    def cores(self) -> int:
        """The threads that all students of a study compute on together; a run alone has as many."""
        return self.threads * self.parallel

    def study(self) -> dict[str, Any]:
        """The study: winners are not trained again."""
        search = {
            "trials": self.trials,
            "parallel": self.parallel,
            "scores": {"accuracy": "maximize"},
            "repeats": 0,
            "space": SPACE,
        }
        return {**self._recipe(TAUGHT, self.threads), "name": "study_cost", "search": search}

    def untaught(self) -> dict[str, Any]:
        """A trial's student, by labels alone."""
        return self._recipe(UNTAUGHT, self.threads)

    def separate(self, seed: int) -> dict[str, Any]:
        """A run with the values that the study's recipe has itself."""
        return self._recipe(TAUGHT, self.cores, seed)

    def filling(self) -> dict[str, Any]:
        """Asks the questions of a trial, and trains next to nothing."""
        return self._linear(TAUGHT)

    def linear_untaught(self) -> dict[str, Any]:
        """The student of ``filling``, by labels alone."""
        return self._linear(UNTAUGHT)

    def _linear(self, run: OurRun) -> dict[str, Any]:
        whole = self._recipe(run, self.threads)
        return {**whole, "student": {**whole["student"], "model": LINEAR}}

    def _recipe(self, run: OurRun, threads: int, seed: int = 0) -> dict[str, Any]:
        # The home of a workload is where its recipe is written, not part of it.
        whole = recipe(run, Workload(self.root, Path(), self.fraction, self.epochs), seed=seed)
        whole["transfer_set"]["views"] = self.views
        whole["student"]["train"]["threads"] = threads
        for teacher in whole.get("teachers", {}).values():
            teacher["threads"] = self.threads
        return whole

"""A study that is ready to run, and who watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.planning.trials import RecipeSearch
from orchestrator.studies.objective import TrialObjective
from search.explore import StudyWatcher
from search.study import StoredStudy
from search.trials import FinishedTrial, StudySpec


@dataclass(frozen=True)
class Study:
    """What a study asks, where it is stored, its folder, what trains its trials."""

    search: RecipeSearch
    spec: StudySpec
    stored: StoredStudy
    folder: Path
    objective: TrialObjective


@dataclass(frozen=True)
class StudyWatchers(StudyWatcher):
    """Several watchers as one, all called with everything."""

    each: tuple[StudyWatcher, ...]

    def on_begin(self, number: int, steps: int) -> None:  # noqa: D102
        for watcher in self.each:
            watcher.on_begin(number, steps)

    def on_step(self, number: int, step: int, scores: Mapping[str, float]) -> None:  # noqa: D102
        for watcher in self.each:
            watcher.on_step(number, step, scores)

    def on_finish(self, trial: FinishedTrial) -> None:  # noqa: D102
        for watcher in self.each:
            watcher.on_finish(trial)

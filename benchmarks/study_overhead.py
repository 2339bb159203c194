"""Measures what a trial costs beside its training, as the number of trials grows.

    python -m benchmarks.study_overhead [--trials 500] [--parallel 2] [--samplers tpe random]

A study of the digits recipe in which nothing is trained: each trial is proposed, checked, planned,
stored and reported, and its scores follow from what was drawn. Printed are, for each tenth of the
study, the seconds of a trial, those in which this process computed, and its memory afterwards. With
random draws nothing is learned from finished trials, so the difference is the sampler's.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from rich.console import Console

import stillhouse
from orchestrator.planning.graph import Graph
from orchestrator.planning.trials import read_search
from orchestrator.studies.objective import TrialObjective
from orchestrator.studies.report_study import StudyReporting
from orchestrator.studies.run_study import StageRecorder
from orchestrator.studies.study import Study, StudyWatchers
from orchestrator.studies.study_progress import StudyProgress
from search.explore import Observer, Overrides, StudyWatcher, explore
from search.study import open_storage, open_study
from search.trials import FinishedTrial, StudySpec

RECIPE = Path(__file__).parents[1] / "recipes" / "digits.yaml"
SPACE = (
    "{student.train.optimizer.lr: {float: [0.001, 0.2], log: true}, "
    "ensemble.temperature: {float: [1.0, 20.0], log: true}, "
    "student.objective.soft_targets.weight: {float: [0.0, 1.0]}, "
    "schedule: {choice: {direct: offline, "
    "by_one: {kind: assistants, path: [{kind: mlp, hidden: [{int: [32, 128]}]}]}}}}"
)
PARTS = 10


class Stub(TrialObjective):
    """Trains nothing."""

    def evaluate(
        self, number: int, overrides: Overrides, observe: Observer, plan: Graph
    ) -> Mapping[str, float]:
        """Scores that follow from what was drawn."""
        weight = overrides["student.objective.soft_targets.weight"]
        return {"accuracy": 1.0 - (weight - 0.7) ** 2, "nll": 0.1 + weight}


class Meter(StudyWatcher):
    """Notes when each trial is finished, and the memory of this process then."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.computed: list[float] = []
        self.bytes: list[int] = []
        self._last = time.perf_counter(), time.process_time()

    def on_finish(self, trial: FinishedTrial) -> None:
        """Notes the seconds since the last trial."""
        now = time.perf_counter(), time.process_time()
        self.seconds.append(now[0] - self._last[0])
        self.computed.append(now[1] - self._last[1])
        self.bytes.append(psutil.Process().memory_info().rss)
        self._last = now


def main() -> None:
    """Prints a table for each sampler."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--samplers", nargs="+", default=["tpe", "random"])
    options = parser.parse_args()
    for sampler in options.samplers:
        _print_table(sampler, _measure(sampler, options.trials, options.parallel))


def _measure(sampler: str, trials: int, parallel: int) -> Meter:
    scores = "{accuracy: maximize, nll: minimize}"
    search = (
        f"{{trials: {trials}, parallel: {parallel}, sampler: {sampler}, scores: {scores}, "
        f"space: {SPACE}}}"
    )
    loaded = stillhouse.load_recipe(RECIPE, ["cluster.mode=in_process", f"search={search}"])
    asked, meter = read_search(loaded), Meter()
    with tempfile.TemporaryDirectory() as home, stillhouse.Session(home) as session:
        objective, _ = Stub.prepare(loaded, asked.config, session)
        storage = open_storage(f"sqlite:///{home}/study.db")
        stored = open_study(storage, asked.name, asked.config, {}, new=False)
        spec = StudySpec(stored.name, asked.config, asked.seed, asked.steps, own=asked.own)
        study = Study(asked, spec, stored, Path(home), objective)
        progress = StudyProgress(Console(file=io.StringIO()), spec)
        reporting = StudyReporting(study, time.monotonic())
        recorder = StageRecorder(reporting.records, set())
        explore(spec, stored, objective, StudyWatchers((recorder, progress, reporting, meter)))
    return meter


def _print_table(sampler: str, meter: Meter) -> None:
    print(f"{sampler:>10} {'seconds/trial':>14} {'computing':>10} {'memory, MB':>11}")
    part = max(1, len(meter.seconds) // PARTS)
    for first in range(0, len(meter.seconds), part):
        here = slice(first, first + part)
        print(
            f"{first:>4}-{first + part - 1:<5} {statistics.fmean(meter.seconds[here]):>14.3f} "
            f"{statistics.fmean(meter.computed[here]):>10.3f} {meter.bytes[here][-1] / 1e6:>11.0f}"
        )


if __name__ == "__main__":
    main()

"""Trains the students of one setting, and evaluates them.

It does what ``stillhouse run`` does, without report, plots and tracker, which would take longer
than a student of seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch
import yaml
from orchestrator.execution.bank_shelves import prepare_for
from orchestrator.execution.executor import Executor, StageResult
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.planning.plan import Stage

import stillhouse
from benchmarks.ensemble_comparison.regimes import Regime
from cluster.in_process import InProcessRuntime
from orchestrator.deep_check.deep_check import CheckedPlan, checked_plan
from orchestrator.execution.signals import interruptible
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.run_status import record_running
from orchestrator.home.store import Store
from students.evaluation.metrics import accuracy, negative_log_likelihood
from students.events import Event, Warned
from students.storage.outcome import read_answers, read_outcome
from students.storage.step_log import read_committed

WARM_UP_STEPS = 5
"""First steps of a student, which are slower than the others."""


@dataclass(frozen=True)
class Score:
    """One student: its validation and test accuracy, from 0 to 1.

    ``nll`` is of the validation part, in nats. ``changed`` is the mean share of the samples whose
    target the weighting rule changed, if it was recorded. ``step`` is the median of its steps'
    seconds.
    """

    validation: float
    nll: float
    test: float
    step: float
    changed: float | None = None


@dataclass(frozen=True)
class ProgressMessages:
    """Logs what matters about stages: waiting, teachers, warnings."""

    log: Callable[[str], None]

    def on_wait(self, stage: Stage) -> None:
        """Another process works on this stage."""
        self.log(f"{stage.title}: waiting for another process that works on it")

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Teachers take long; students are not logged."""
        if stage.name.startswith("teachers."):
            self.log(f"{stage.title}: begins")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Logs warnings."""
        if isinstance(event, Warned):
            self.log(f"{stage.title}: {event}")

    def on_end(self, result: StageResult) -> None:
        """Logs a teacher's end."""
        if result.ran and result.stage.name.startswith("teachers."):
            self.log(f"{result.stage.title}: done in {result.seconds:.1f} s")


@dataclass(frozen=True)
class StudentTraining:
    """Where students are taught; all ways of a regime share its teachers and their answers."""

    home: Path
    log: Callable[[str], None]

    def train(
        self, regime: Regime, overrides: Sequence[str], *, first: int, seeds: int
    ) -> tuple[Score, ...]:
        """A score for each seed from ``first`` on; what is stored is not computed again.

        Raises:
            RecipeProblems: the recipe is invalid.
            UserError, ClusterError, TeacherError: training fails.
        """
        seed = f"student.train.seed={first}"
        loaded = stillhouse.load_recipe(self.write_recipe(regime), [*overrides, seed])
        store = Store(self.home)
        store.prepare()
        with interruptible():
            checked = checked_plan(loaded, store, repeats=seeds)
            prepare_for(checked.plan, store)
            with record_running(checked.plan, store):
                results = self._results(checked, store)
        return tuple(
            self._score(checked, store, result)
            for result in results
            if result.stage.name == "student"
        )

    def teachers(self, regime: Regime) -> dict[str, float]:
        """Test accuracy of each finished teacher, and of their mean distribution as ``uniform
        mean``; empty if one is not finished."""
        loaded = stillhouse.load_recipe(self.write_recipe(regime))
        store = Store(self.home)
        checked = checked_plan(loaded, store, repeats=1)
        data = checked.transfer_set
        targets = torch.from_numpy(data.targets[data.test_ids])
        folders = {
            stage.name.removeprefix("teachers."): store.folder(stage.digest)
            for stage in checked.plan.stages
            if stage.name.startswith("teachers.")
        }
        if any(read_outcome(folder) is None for folder in folders.values()):
            return {}
        answers = {name: read_answers(folder)["test"] for name, folder in folders.items()}
        mean = torch.stack([each.softmax(1) for each in answers.values()]).mean(0)
        answers["uniform mean"] = mean.log()
        return {name: accuracy(scores, targets) for name, scores in answers.items()}

    def write_recipe(self, regime: Regime) -> Path:
        """Writes the regime's recipe, with an objective that each setting replaces; its path."""
        recipe = {**regime.recipe, "student": {**regime.recipe["student"]}}
        recipe["student"]["objective"] = {"task": 1.0}
        path = self.home / "recipes" / f"{regime.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(recipe, sort_keys=False)
        if not path.exists() or path.read_text() != text:
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(text)
            partial.replace(path)
        return path

    def _results(self, checked: CheckedPlan, store: Store) -> list[StageResult]:
        runtime = InProcessRuntime()
        try:
            role_specs = RoleSpecs(checked.plan, store, checked.hint_shapes)
            work = StageRunner(runtime, role_specs, checked.transfer_set)
            cores = os.cpu_count() or 1
            return Executor(
                checked.plan, store, runtime, work, ProgressMessages(self.log), cores
            ).run()
        finally:
            runtime.close()

    def _score(self, checked: CheckedPlan, store: Store, result: StageResult) -> Score:
        folder, data = store.folder(result.stage.digest), checked.transfer_set
        answers = read_answers(folder)
        parts = {"validation": data.validation_ids, "test": data.test_ids}
        targets = {part: torch.from_numpy(data.targets[ids]) for part, ids in parts.items()}
        rows = list(read_committed(folder, result.outcome.segments))
        steps = [row.values["step_seconds"] for row in rows if row.kind == "step"]
        changed = [
            row.values["rule/changed"]
            for row in rows
            if row.kind == "epoch" and "rule/changed" in row.values
        ]
        return Score(
            validation=accuracy(answers["validation"], targets["validation"]),
            nll=negative_log_likelihood(answers["validation"], targets["validation"]),
            test=accuracy(answers["test"], targets["test"]),
            step=median(steps[WARM_UP_STEPS:] or steps),
            changed=fmean(changed) if changed else None,
        )

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

import stillhouse
from benchmarks.ensemble_comparison.regimes import Regime
from cluster.config import ClusterConfig
from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.execution.signals import interruptible
from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.home.run_status import record_running
from orchestrator.home.store import Store
from orchestrator.planning.graph import Choice, Decision, Graph
from orchestrator.planning.stage import Stage, StageRole
from students.evaluation.metrics import accuracy, negative_log_likelihood
from students.events import Event, Warned
from students.specs import MODEL
from students.storage.outcome import TEST, VALIDATION, read_logits
from students.storage.step_log import read_committed
from students.transfer_sets.transfer_set import TransferSet

HERE = ClusterConfig(mode="in_process")
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
class ProgressMessages(Watcher):
    """Logs what matters about stages: waiting, teachers, warnings."""

    log: Callable[[str], None]

    def on_wait(self, stage: Stage) -> None:
        """The stage is under way elsewhere."""
        self.log(f"{stage.title}: waiting for another run that works on it")

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Teachers take long; students are not logged."""
        if stage.role is StageRole.TEACHER:
            self.log(f"{stage.title}: begins")

    def on_event(self, stage: Stage, event: Event) -> None:
        """Logs warnings."""
        if isinstance(event, Warned):
            self.log(f"{stage.title}: {event}")

    def on_failure(self, stage: Stage, sentence: str) -> None:
        """Logs why."""
        self.log(sentence)

    def on_end(self, result: StageResult) -> None:
        """Logs a teacher's end."""
        if result.ran and result.stage.role is StageRole.TEACHER:
            self.log(f"{result.stage.title}: done in {result.seconds:.1f} s")

    def on_choice(self, choice: Choice, decision: Decision, graph: Graph) -> None:
        """Logs why."""
        self.log(f"{choice.title}: {decision.reason}")


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
        with interruptible(), stillhouse.Session(self.home, HERE) as session:
            session.store.prepare()
            graph = stillhouse.plan(loaded, session, repeats=seeds)
            with record_running(graph, session.store):
                done = session.submit(graph, ProgressMessages(self.log)).result()
            data = session.transfer_set(graph.data)
        return tuple(
            _score(data, session.store, result)
            for result in done.results
            if result.stage.name == "student"
        )

    def teachers(self, regime: Regime) -> dict[str, float]:
        """Test accuracy of each finished teacher, and of their mean distribution as ``uniform
        mean``; empty if one is not finished."""
        loaded = stillhouse.load_recipe(self.write_recipe(regime))
        store = Store(self.home)
        graph, data = checked_plan(loaded, store)
        targets = torch.from_numpy(data.targets[data.test_ids])
        answers = {}
        for ref in graph.ensembles["ensemble"].teachers:
            logits = read_logits(store.folder(ref.output.stage), ref.output.name, TEST)
            if logits is None:
                return {}
            answers[ref.name] = logits
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


def _score(data: TransferSet, store: Store, result: StageResult) -> Score:
    folder = store.folder(result.stage.digest)
    validation, test = (read_logits(folder, MODEL, part) for part in (VALIDATION, TEST))
    assert validation is not None
    assert test is not None
    targets = [torch.from_numpy(data.targets[ids]) for ids in (data.validation_ids, data.test_ids)]
    rows = list(read_committed(folder, result.outcomes[MODEL].segments))
    steps = [row.values["step_seconds"] for row in rows if row.kind == "step"]
    changed = [
        row.values["rule/changed"]
        for row in rows
        if row.kind == "epoch" and "rule/changed" in row.values
    ]
    return Score(
        validation=accuracy(validation, targets[0]),
        nll=negative_log_likelihood(validation, targets[0]),
        test=accuracy(test, targets[1]),
        step=median(steps[WARM_UP_STEPS:] or steps),
        changed=fmean(changed) if changed else None,
    )

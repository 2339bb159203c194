"""A session whose stages take no time: a runner that trains nothing stores an outcome for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster.config import ClusterConfig
from cluster.in_process import InProcessRuntime
from orchestrator.execution import graph_run, session, stage_attempts
from orchestrator.execution.session import Session
from orchestrator.execution.stage_runner import Attempt
from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import Resolved
from students.storage.outcome import (
    TEST,
    CurvePoint,
    FinishedModel,
    Outcome,
    write_logits,
    write_outcome,
)
from tests.running import RecordingWatcher

CURVE = (CurvePoint(0, 4, 1.0, 0.5, 1.0),)


class ParallelRuntime(InProcessRuntime):
    """On which stages may work at one time."""

    parallel = True
    starts = 1


@dataclass
class Runner:
    """Stores an outcome for each stage; calls ``meanwhile`` while the stage is under way."""

    store: Store
    meanwhile: Callable[[Stage, Attempt], None] = lambda stage, attempt: None
    ran: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)

    def run(self, stage: Stage, teachers: Any, transfer_set: Any, attempt: Attempt) -> None:
        assert all(self.store.outcomes(need) for need in stage.needs), "its teachers are not done"
        self.ran.append(stage.title)
        self.attempts.append(attempt)
        self.meanwhile(stage, attempt)
        self.store_outcome(stage, attempt)

    def store_outcome(self, stage: Stage, attempt: Attempt) -> None:
        outcome = Outcome("ab", 1, 1, 1, curve=CURVE)
        model = FinishedModel(outcome, {}, torch.zeros(1, 2))
        models = dict.fromkeys(stage.models, model)
        write_outcome(self.store.folder(stage.digest), attempt.number, models)

    def test(self, stage: Stage, resolved: Resolved, stopping: threading.Event) -> None:
        self.tested.append(stage.title)
        for name in stage.models:
            write_logits(self.store.folder(stage.digest), name, TEST, torch.zeros(1, 2))


@dataclass
class FakeStages:
    """One home, in which graphs are run in sessions whose runner is fake."""

    store: Store
    patch: pytest.MonkeyPatch
    parallel: bool = False

    def session(self, runner: Runner, cores: int = 2) -> Session:
        """A session that runs all stages by ``runner``."""
        kind = ParallelRuntime if self.parallel else InProcessRuntime
        self.patch.setattr(session, "build_runtime", lambda *args, **kwargs: kind())
        for module in (stage_attempts, graph_run):
            self.patch.setattr(module, "StageRunner", lambda *given: runner)
        made = Session(self.store.home, ClusterConfig(mode="in_process"))
        made.cores = cores
        return made

    def run(
        self,
        graph: Graph,
        runner: Runner,
        watcher: RecordingWatcher | None = None,
        cores: int = 2,
    ) -> Sequence[StageResult]:
        """The results of ``graph`` in a session of its own."""
        with self.session(runner, cores) as opened:
            return opened.submit(graph, watcher or RecordingWatcher()).result().results


def fake_stages(folder: Path, patch: pytest.MonkeyPatch, *, parallel: bool = False) -> FakeStages:
    """Of the home in ``folder``."""
    store = Store(folder / "home")
    store.prepare()
    return FakeStages(store, patch, parallel)

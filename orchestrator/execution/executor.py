"""Runs the stages of a plan, each when its dependencies are done; skips stored ones.

Waits for: stages under way (freed by their ends; by ``Runtime.close`` when the run is stopped),
and for a stage that another process works on (freed by the end of that process).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cluster.runtime import Runtime
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import Resolved, resolve, stages_at_once
from students.events import Event, Warned
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, read_outcome
from teachers.errors import AnswersGone


@dataclass(frozen=True)
class StageResult:
    """A finished stage; ``ran`` is false if its outcome was stored already."""

    stage: Stage
    outcome: Outcome
    ran: bool
    seconds: float


class Watcher(Protocol):
    """Receives what happens to stages, from several threads."""

    def on_wait(self, stage: Stage) -> None:
        """Another process works on the same stage."""
        ...

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Work on the stage begins or resumes."""
        ...

    def on_event(self, stage: Stage, event: Event) -> None:
        """The stage's student has reported ``event``."""
        ...

    def on_end(self, result: StageResult) -> None:
        """The stage's outcome is stored."""
        ...


@dataclass(frozen=True)
class Executor:
    """Runs the stages of one plan on one runtime."""

    plan: Plan
    store: Store
    runtime: Runtime
    runner: StageRunner
    watcher: Watcher
    cores: int
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[StageResult]:
        """Runs every stage to its end; returns results in the plan's order.

        Raises:
            Exception: the first one that a stage raises; the other stages stop where they are, and
                resume from their last checkpoint when the plan is run again.
        """
        if not self.runtime.parallel:
            return [self.run_stage(stage) for stage in self.plan.stages]
        done: dict[str, StageResult] = {}
        under_way: dict[Future[StageResult], Stage] = {}
        pool = ThreadPoolExecutor(stages_at_once(self.cores), "stage")
        try:
            while len(done) < len(self.plan.stages):
                for stage in self._ready(done, list(under_way.values())):
                    under_way[pool.submit(self.run_stage, stage)] = stage
                finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in finished:
                    done[under_way.pop(future).title] = future.result()
        finally:
            self.stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return [done[stage.title] for stage in self.plan.stages]

    def _ready(self, done: dict[str, StageResult], under_way: list[Stage]) -> Iterator[Stage]:
        finished = {result.stage.digest for result in done.values()}
        begun = done.keys() | {stage.title for stage in under_way}
        working = {stage.digest for stage in under_way}
        # Two stages that store answers of the same teacher would both start it; the second one
        # waits and then reads them.
        teachers = self.runner.teachers
        storing = {name for stage in under_way for name in teachers.teachers_to_store(stage)}
        for stage in self.plan.stages:
            if stage.title in begun or stage.digest in working:
                continue
            if not finished.issuperset(stage.needs):
                continue
            to_store = teachers.teachers_to_store(stage)
            if storing.isdisjoint(to_store):
                working.add(stage.digest)
                storing |= to_store
                yield stage

    def run_stage(self, stage: Stage) -> StageResult:
        """Runs one stage, whose dependencies are done, to its end, unless it is stored.

        Raises:
            Exception: whatever ended it early.
        """
        began = time.monotonic()
        with self.store.lock(stage.digest, partial(self.watcher.on_wait, stage), self.stopping):
            stored = read_outcome(self.store.folder(stage.digest))
            ran = stored is None
            outcome = stored or self._run(stage)
        result = StageResult(stage, outcome, ran, time.monotonic() - began if ran else 0.0)
        self.watcher.on_end(result)
        return result

    def _run(self, stage: Stage) -> Outcome:
        chosen = resolve(
            stage, self.plan, self.cores, self.runner.teachers.readiness(stage).configs
        )
        resolved = self.store.begin(stage.digest, stage.fingerprint, chosen)
        try:
            self._attempt(stage, resolved)
        except AnswersGone as gone:
            notice = f"{stage.title}: {gone}; it is run again with all its teachers started"
            self.watcher.on_event(stage, Warned(notice))
            self._attempt(stage, resolved, start_all=True)
        outcome = read_outcome(self.store.folder(stage.digest))
        if outcome is None:
            raise RuntimeError(f"stage '{stage.title}' ended, but its outcome cannot be read")
        return outcome

    def _attempt(self, stage: Stage, resolved: Resolved, *, start_all: bool = False) -> None:
        attempt = begin_attempt(self.store.folder(stage.digest))
        self.watcher.on_begin(stage, attempt)
        on_event = partial(self.watcher.on_event, stage)
        self.runner.run(stage, attempt, resolved, on_event, start_all=start_all)

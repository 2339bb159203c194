"""Runs a plan: each stage once it can, what is stored already not at all.

Waits for: stages under way (freed by their ends; by ``Runtime.close`` when the run is broken
off), and for a stage that another process works on (freed by the end of that process).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from cluster.runtime import Runtime
from orchestrator.execution.stage_runner import StageWork
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import Resolved, resolve, stages_at_once
from students.events import Event, Warned
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, read_outcome
from teachers.errors import AnswersGone


@dataclass(frozen=True)
class StageResult:
    """A finished stage; ``ran`` is false where the outcome was there already."""

    stage: Stage
    outcome: Outcome
    ran: bool
    seconds: float


class Watcher(Protocol):
    """Is told what happens to stages, from several threads."""

    def waits(self, stage: Stage) -> None:
        """Another process works on this very stage."""
        ...

    def begins(self, stage: Stage, attempt: int) -> None:
        """Work on the stage begins, or goes on."""
        ...

    def hears(self, stage: Stage, event: Event) -> None:
        """The stage's student reports."""
        ...

    def ends(self, result: StageResult) -> None:
        """The stage's outcome is there."""
        ...


@dataclass(frozen=True)
class Executor:
    """Runs the stages of one plan on one runtime."""

    plan: Plan
    store: Store
    runtime: Runtime
    work: StageWork
    watcher: Watcher
    cores: int
    broken_off: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[StageResult]:
        """Brings every stage to its end; results in the plan's order.

        Raises:
            Exception: the first one of a stage; the other stages are left where they are, and
                go on from their last commit when the plan is run again.
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
            self.broken_off.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return [done[stage.title] for stage in self.plan.stages]

    def _ready(self, done: dict[str, StageResult], under_way: list[Stage]) -> Iterator[Stage]:
        finished = {result.stage.digest for result in done.values()}
        busy = {stage.title for stage in under_way}
        working = {stage.digest for stage in under_way}
        # Beside one that fills the bank another would start the same teachers for the same
        # answers; after it, it reads them.
        filling = {name for stage in under_way for name in self.work.fills(stage)}
        for stage in self.plan.stages:
            if stage.title in done or stage.title in busy or stage.digest in working:
                continue
            if not all(need in finished for need in stage.needs):
                continue
            fills = self.work.fills(stage)
            if filling.isdisjoint(fills):
                working.add(stage.digest)
                filling |= fills
                yield stage

    def run_stage(self, stage: Stage) -> StageResult:
        """Brings one stage to its end, whose dependencies are done.

        Raises:
            Exception: whatever ended it.
        """
        began = time.monotonic()
        folder = self.store.folder(stage.digest)

        def say_so() -> None:
            self.watcher.waits(stage)

        with self.store.lock(stage.digest, say_so, self.broken_off):
            outcome = read_outcome(folder)
            ran = outcome is None
            if outcome is None:
                outcome = self._carry_out(stage)
        result = StageResult(stage, outcome, ran, time.monotonic() - began if ran else 0.0)
        self.watcher.ends(result)
        return result

    def _carry_out(self, stage: Stage) -> Outcome:
        chosen = resolve(stage, self.plan, self.cores, self.work.prospect(stage))
        resolved = self.store.begin(stage.digest, stage.what, chosen)
        folder = self.store.folder(stage.digest)
        try:
            self._attempt(stage, resolved)
        except AnswersGone as gone:
            notice = f"{stage.title}: {gone}; it goes on with all its teachers"
            self.watcher.hears(stage, Warned(notice))
            self._attempt(stage, resolved, everyone=True)
        outcome = read_outcome(folder)
        if outcome is None:
            raise RuntimeError(f"stage '{stage.title}' ended, but its outcome cannot be read")
        return outcome

    def _attempt(self, stage: Stage, resolved: Resolved, *, everyone: bool = False) -> None:
        attempt = begin_attempt(self.store.folder(stage.digest))
        self.watcher.begins(stage, attempt)

        def hear(event: Event) -> None:
            self.watcher.hears(stage, event)

        self.work.carry_out(stage, attempt, resolved, hear, everyone=everyone)

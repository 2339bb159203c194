"""Runs a plan: probes it, runs what is not stored, reports, records it at the tracker."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.complete_run import record_complete
from orchestrator.deep_check.deep_check import CheckedPlan, checked_plan
from orchestrator.execution.bank_shelves import prepare_for
from orchestrator.execution.executor import Executor, StageResult, Watcher
from orchestrator.execution.prewarm import prewarm
from orchestrator.execution.progress import ProgressBars
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.run_status import record_running
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.recipe.loading import printable
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.report.collect_models import latencies
from orchestrator.report.collect_run import collect_run
from orchestrator.results.finished_run import FinishedRun
from orchestrator.runtime_start import RuntimeStart
from orchestrator.tracking.mlflow_tracker import tracker_location
from orchestrator.tracking.run_tracking import SECONDS_TO_SEND, RunTracking
from orchestrator.tracking.tracker import Status
from students.durable_files import write_atomically
from students.events import Event
from students.fault_injection import Fault
from students.storage.outcome import read_outcome
from students.transfer_sets.transfer_set import TransferSet

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe

SECONDS_TO_SEND_WHEN_BROKEN_OFF = 3.0


@dataclass(frozen=True)
class _Watchers:
    """Several watchers as one."""

    each: tuple[Watcher, ...]

    def on_wait(self, stage: Stage) -> None:
        for watcher in self.each:
            watcher.on_wait(stage)

    def on_begin(self, stage: Stage, attempt: int) -> None:
        for watcher in self.each:
            watcher.on_begin(stage, attempt)

    def on_event(self, stage: Stage, event: Event) -> None:
        for watcher in self.each:
            watcher.on_event(stage, event)

    def on_end(self, result: StageResult) -> None:
        for watcher in self.each:
            watcher.on_end(result)


def run_plan(
    loaded: LoadedRecipe,
    store: Store,
    runtime_start: RuntimeStart,
    *,
    began: float,
    repeats: int,
    console: Console,
    environment: Mapping[str, str],
    fault: Fault | None,
) -> FinishedRun:
    """Runs what is left of a recipe's plan, and records it; see ``orchestrator.run.run``.

    ``began``: when the run did, on the monotonic clock.
    """
    with ProgressBars(console) as bars, ExitStack() as stack:
        checked = checked_plan(loaded, store, repeats=repeats)
        plan, transfer_set = checked.plan, checked.transfer_set
        prepare_for(plan, store)
        stack.enter_context(record_running(plan, store))
        location = tracker_location(store.home, plan.recipe, environment)
        tracking = RunTracking(plan, store, printable(loaded), location)
        try:
            watchers = _Watchers((bars, tracking))
            results = _results(checked, store, runtime_start, watchers, fault)
            finished = _report(loaded, plan, store, transfer_set, results, began)
            files = [Path(path) for path in finished.report.artifacts.values()]
            tracking.add_report(finished.report, files)
            [student] = (r for r in results if r.stage.title == "student")
            tracking.add_student(student, transfer_set)
        except BaseException as error:
            status: Status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            tracking.close(status, bars.say, SECONDS_TO_SEND_WHEN_BROKEN_OFF)
            raise
        if run_ids := tracking.close("FINISHED", bars.say, SECONDS_TO_SEND):
            record_complete(finished, location, run_ids)
    return finished


def _results(
    checked: CheckedPlan,
    store: Store,
    runtime_start: RuntimeStart,
    watcher: Watcher,
    fault: Fault | None,
) -> list[StageResult]:
    plan, cores = checked.plan, os.cpu_count() or 1
    stored = _all_stored(plan, store, watcher)
    if stored is not None:
        return stored
    with closing(runtime_start):
        runtime = runtime_start.runtime(plan)
        role_specs = RoleSpecs(plan, store, checked.hint_shapes, fault)
        runner = StageRunner(runtime, role_specs, checked.transfer_set)
        prewarm(runtime, plan, store, runner.teachers, cores)
        return Executor(plan, store, runtime, runner, watcher, cores, runner.stopping).run()


def _all_stored(plan: Plan, store: Store, watcher: Watcher) -> list[StageResult] | None:
    """The results of a plan of which nothing is left to do: no runtime is started for it."""
    outcomes = [read_outcome(store.folder(stage.digest)) for stage in plan.stages]
    results = [
        StageResult(stage, outcome, ran=False, seconds=0.0)
        for stage, outcome in zip(plan.stages, outcomes, strict=True)
        if outcome is not None
    ]
    if len(results) < len(plan.stages):
        return None
    for result in results:
        watcher.on_end(result)
    return results


def _report(
    loaded: LoadedRecipe,
    plan: Plan,
    store: Store,
    transfer_set: TransferSet,
    results: Sequence[StageResult],
    began: float,
) -> FinishedRun:
    # Pictures and statistics take most of a second to import, so not before the first step.
    from orchestrator.report.compare_seeds import repeat_report
    from orchestrator.report.render_page import write_page

    latency = latencies(plan, store, results, transfer_set)
    folder = store.runs / plan.run_name
    folder.mkdir(parents=True, exist_ok=True)
    resolved = folder / "recipe.yaml"
    write_atomically(resolved, dump_yaml(printable(loaded)).encode())
    seconds = time.monotonic() - began
    reports = [
        collect_run(
            plan, store, transfer_set, results, latency=latency, seconds=seconds, repeat=repeat
        )
        for repeat in range(plan.repeats)
    ]
    repeats = repeat_report(reports) if plan.repeats > 1 else None
    reports[0] = replace(reports[0], artifacts={"recipe.yaml": str(resolved)})
    return write_page(FinishedRun(tuple(reports), repeats, folder))

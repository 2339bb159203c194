"""Runs a recipe's graph in a session: checks it, runs what is left, reports and records it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.complete_run import record_complete
from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.execution.graph_run import GraphResult, Watchers
from orchestrator.execution.prewarm import prewarm
from orchestrator.execution.progress import ProgressBars
from orchestrator.execution.session import Session
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.stage_works import Watcher
from orchestrator.home.run_status import record_running
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.recipe.loading import printable
from orchestrator.recipe.yaml_values import dump_yaml
from orchestrator.report.collect_models import finished_models
from orchestrator.report.collect_run import collect_run
from orchestrator.report.latency import latencies
from orchestrator.results.finished_run import FinishedRun
from orchestrator.tracking.mlflow_tracker import tracker_location
from orchestrator.tracking.run_tracking import (
    SECONDS_TO_SEND,
    SECONDS_TO_SEND_WHEN_BROKEN_OFF,
    RunTracking,
)
from orchestrator.tracking.tracker import Status
from students.durable_files import write_atomically
from teachers.bank.shelf import prepare_bank

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe


def run_graph(
    loaded: LoadedRecipe,
    session: Session,
    *,
    began: float,
    repeats: int,
    console: Console,
    environment: Mapping[str, str],
) -> FinishedRun:
    """Runs what is left of a recipe's graph, and records it; see ``orchestrator.run.run``.

    ``began``: when the run did, on the monotonic clock.
    """
    store = session.store
    with ProgressBars(console) as bars, ExitStack() as stack:
        graph, transfer_set = checked_plan(loaded, store, repeats=repeats)
        session.keep(transfer_set)
        _prepare_bank(graph, session)
        record = stack.enter_context(record_running(graph, store))
        grown = store.grown(graph)
        bars.show(grown, {stage.digest for stage in grown.stages if store.finished(stage)})
        location = tracker_location(store.home, graph, environment)
        tracking = RunTracking(graph, store, printable(loaded), location, bars.say)
        try:
            done = _run(session, graph, Watchers((bars, tracking), on_growth=record))
            finished = _report(loaded, session, done, began)
            files = [Path(path) for path in finished.report.artifacts.values()]
            tracking.add_report(finished.report, files)
            [student] = (r for r in done.results if r.stage.title == "student")
            tracking.add_student(student, transfer_set)
        except BaseException as error:
            status: Status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            tracking.close(status, SECONDS_TO_SEND_WHEN_BROKEN_OFF)
            raise
        if run_ids := tracking.close("FINISHED", SECONDS_TO_SEND):
            record_complete(finished, location, run_ids)
    return finished


def _run(session: Session, graph: Graph, watcher: Watcher) -> GraphResult:
    future = session.submit(graph, watcher)
    try:
        _prewarm(session, graph)
        return future.result()
    finally:
        future.cancel()


def _prepare_bank(graph: Graph, session: Session) -> None:
    """Checks before any stage begins that the bank is usable, if a stage left to run uses it.

    Raises:
        BankError: it has another format, or cannot be written.
    """
    store, graph = session.store, session.store.grown(graph)
    # What follows from a choice has the bank of the stages before it.
    left = (each for each in graph.stages if graph.undecided or not store.finished(each))
    if any(stage.teachers and stage.ensemble.bank != "none" for stage in left):
        prepare_bank(session.store.bank)


def _prewarm(session: Session, graph: Graph) -> None:
    store, transfer_set = session.store, session.transfer_set(graph.data)
    graph = store.grown(graph)

    def is_answered(stage: Stage, ref: TeacherRef) -> bool:
        return StageTeacher(stage, ref, store, transfer_set).is_answered

    if not all(store.finished(stage) for stage in graph.stages):
        prewarm(session.runtime(graph), graph, store, is_answered, session.cores)


def _report(loaded: LoadedRecipe, session: Session, done: GraphResult, began: float) -> FinishedRun:
    # Pictures and statistics take most of a second to import, so not before the first step.
    from orchestrator.report.compare_seeds import repeat_report
    from orchestrator.report.render_page import write_page

    graph, store = done.graph, session.store
    transfer_set = session.transfer_set(graph.data)
    latency = latencies(finished_models(done.results), store, transfer_set, session.quiet)
    folder = store.runs / graph.run_name
    folder.mkdir(parents=True, exist_ok=True)
    resolved = folder / "recipe.yaml"
    write_atomically(resolved, dump_yaml(printable(loaded)).encode())
    seconds = time.monotonic() - began
    reports = [
        collect_run(
            done,
            store,
            transfer_set,
            latency=latency,
            seconds=seconds,
            repeat=repeat,
        )
        for repeat in range(graph.repeats)
    ]
    repeats = repeat_report(reports) if graph.repeats > 1 else None
    reports[0] = replace(reports[0], artifacts={"recipe.yaml": str(resolved)})
    return write_page(FinishedRun(tuple(reports), repeats, folder))

"""Claims about what a home records of a run that is running, failed or was killed."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from orchestrator import run as running
from orchestrator import run_graph
from orchestrator.commands.init import TEMPLATE
from orchestrator.execution.session import Session
from orchestrator.home import run_status
from orchestrator.home.cleaning import plan_cleaning
from orchestrator.home.run_finder import StoredRun, find_runs
from orchestrator.home.run_status import record_running, runs_lock
from orchestrator.home.store import Store
from orchestrator.planning.graph import Decision, Graph
from orchestrator.planning.planner import make_plan
from orchestrator.recipe.loading import LoadedRecipe, load_recipe
from tests.orchestrator.choices import choose_student
from tests.orchestrator.stored_homes import add_run, add_stage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedRecipe:
    (tmp_path / "recipe.yaml").write_text(TEMPLATE)
    return load_recipe(tmp_path / "recipe.yaml")


@pytest.fixture
def graph(loaded: LoadedRecipe, tmp_path: Path) -> Graph:
    return make_plan(loaded.recipe, folder=loaded.folder, cache=tmp_path / "home" / "cache")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def only_run(store: Store) -> StoredRun:
    [run] = find_runs(store.home).runs
    return run


def test_running_run_is_recorded_with_its_stages(graph: Graph, store: Store) -> None:
    with record_running(graph, store):
        run = only_run(store)
        assert run.running
        assert run.report.outcome == "interrupted"
        assert run.folder.name == run.report.title == graph.run_name
        assert [stage.digest for stage in run.report.stages] == [s.digest for s in graph.stages]
    assert not only_run(store).running


def test_what_follows_from_a_choice_is_recorded_once_it_is_known(
    graph: Graph, store: Store
) -> None:
    choice = choose_student(graph, "which")
    asked = replace(graph, nodes=(*graph.nodes, choice))
    grown = asked.grown(choice, Decision("wide", "it is better"))
    with record_running(asked, store) as record:
        assert only_run(store).report.stages[-1].name == "which"
        record(grown)
        named = {stage.name: stage.digest for stage in only_run(store).report.stages}
        assert named["taught by wide"] == grown.stage("taught by wide").digest


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyboardInterrupt(), "interrupted"), (RuntimeError("x"), "failed"), (SystemExit(), "failed")],
    ids=lambda value: type(value).__name__,
)
def test_run_that_ends_early_says_how(
    graph: Graph, store: Store, error: BaseException, outcome: str
) -> None:
    with pytest.raises(type(error)), record_running(graph, store):
        raise error
    assert (only_run(store).report.outcome, only_run(store).running) == (outcome, False)


def test_run_that_is_killed_was_interrupted(store: Store) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from orchestrator.home.run_status import record_running
from orchestrator.home.store import Store
graph = SimpleNamespace(run_name="a@" + "1" * 12, digest="1" * 32, nodes=(), name="a")
with record_running(graph, Store(Path(sys.argv[1]))):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code, str(store.home)]
    assert subprocess.run(command, cwd=ROOT, timeout=60).returncode == -signal.SIGKILL
    assert (only_run(store).report.outcome, only_run(store).running) == ("interrupted", False)


def test_next_attempt_replaces_the_record(graph: Graph, store: Store) -> None:
    with pytest.raises(RuntimeError), record_running(graph, store):
        raise RuntimeError
    with record_running(graph, store):
        assert only_run(store).report.outcome == "interrupted"


def test_run_that_was_done_keeps_its_figures(graph: Graph, store: Store) -> None:
    before = add_run(store.home, graph.name, graph.digest)
    with pytest.raises(KeyboardInterrupt), record_running(graph, store):
        assert only_run(store).running
        raise KeyboardInterrupt
    assert only_run(store).report == before


def test_damaged_report_is_replaced(graph: Graph, store: Store) -> None:
    folder = store.runs / graph.run_name
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{")
    with record_running(graph, store):
        assert only_run(store).report.outcome == "interrupted"


def test_two_processes_may_run_the_same_run(graph: Graph, store: Store) -> None:
    with record_running(graph, store):
        with record_running(graph, store):
            pass
        assert only_run(store).running


def test_record_that_cannot_be_written_hides_no_reason(
    graph: Graph, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, plain: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ValueError, match="the reason"), record_running(graph, store):
        monkeypatch.setattr(run_status, "write_report", full)
        raise ValueError("the reason")
    assert only_run(store).report.outcome == "interrupted"


def test_no_run_begins_while_a_clean_sets_stages_aside(graph: Graph, store: Store) -> None:
    begun = threading.Event()

    def begin() -> None:
        with record_running(graph, store):
            begun.set()

    thread = threading.Thread(target=begin)
    with runs_lock(store.runs):
        thread.start()
        assert not begun.wait(0.3)
    assert begun.wait(10)
    thread.join()


def test_clean_keeps_what_an_interrupted_run_has_done_so_far(graph: Graph, store: Store) -> None:
    stage = add_stage(store.home, graph.stages[0].digest, finished=False)
    assert [item.path.name for item in plan_cleaning(store.home, everything=False).removable] == [
        stage.digest
    ]
    with pytest.raises(KeyboardInterrupt), record_running(graph, store):
        raise KeyboardInterrupt
    assert plan_cleaning(store.home, everything=False).removable == ()


def test_run_is_recorded_before_its_first_stage(
    loaded: LoadedRecipe, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def break_down(*given: object) -> None:
        seen.append((only_run(store).report.outcome, only_run(store).running))
        raise RuntimeError("broken down")

    silent = SimpleNamespace(close=lambda *given: None)
    monkeypatch.setattr(run_graph, "RunTracking", lambda *given: silent)
    monkeypatch.setattr(run_graph, "_run", break_down)
    with (
        pytest.raises(RuntimeError, match="broken down"),
        Path(os.devnull).open("w") as nowhere,
        Session(store.home) as session,
    ):
        running.run(loaded, session, console=Console(file=nowhere), environment={})
    assert seen == [("interrupted", True)]
    assert only_run(store).report.outcome == "failed"
    assert json.loads((only_run(store).folder / "report.json").read_text())["student"] is None

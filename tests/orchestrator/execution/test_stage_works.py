"""Which stages work at one time, who shares their work, and who waits; with a fake runner."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.execution.progress import ProgressBars
from orchestrator.execution.stage_runner import Attempt
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from students.events import Resumed
from students.specs import MODEL
from tests import small
from tests.orchestrator.execution.fake_stages import FakeStages, Runner, fake_stages
from tests.running import RecordingWatcher, until


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStages:
    return fake_stages(tmp_path, monkeypatch, parallel=True)


def test_independent_stages_run_in_parallel(stages: FakeStages, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(stage: Stage, attempt: Attempt) -> None:
        if stage.name.startswith("teachers."):
            both.wait()

    runner = Runner(stages.store, meet)
    stages.run(small.planned(tmp_path), runner)
    assert runner.ran.index("student") > 1


@pytest.mark.parametrize("bank", ["{}", "none"])
def test_students_who_ask_the_same_teachers_run_side_by_side(
    stages: FakeStages, tmp_path: Path, bank: str
) -> None:
    """Also where nothing is stored yet: an answer that both need is computed once."""
    all_three = threading.Barrier(3, timeout=10)

    def meet(stage: Stage, attempt: Attempt) -> None:
        if stage.teachers:
            all_three.wait()

    settings = (f"ensemble.bank={bank}", "student.objective.near=null")
    graph = small.planned(tmp_path, *settings, repeats=3)
    stages.run(graph, Runner(stages.store, meet), cores=4)


def test_a_stage_that_another_process_runs_is_waited_for_and_used(
    stages: FakeStages, tmp_path: Path
) -> None:
    stages.parallel = False
    graph = small.planned(tmp_path)
    under_way, go_on = threading.Event(), threading.Event()

    def slowly(stage: Stage, attempt: Attempt) -> None:
        if stage.name == "teachers.wide":
            under_way.set()
            assert go_on.wait(10)

    class Impatient(RecordingWatcher):
        def on_wait(self, stage: Stage) -> None:
            super().on_wait(stage)
            go_on.set()

    first, second = Runner(stages.store, slowly), Runner(stages.store)
    with stages.session(first) as one:
        elsewhere = one.submit(graph, RecordingWatcher())
        assert under_way.wait(10)
        watcher = Impatient()
        # ``session`` gives later stages to the second runner.
        results = stages.run(graph, second, watcher)
        elsewhere.result()
    assert ("wait", "teachers.wide", None) in watcher.events
    assert "teachers.wide" not in second.ran
    assert not results[0].ran
    assert results[0].outcomes[MODEL].weights_sha256 == "ab"


def test_two_graphs_share_a_stage_and_each_knows_it_by_its_own_title(
    stages: FakeStages, tmp_path: Path
) -> None:
    graphs = [small.planned(tmp_path, f"name={name}", "controls=[]") for name in ("one", "two")]
    begun, go_on = threading.Event(), threading.Event()

    def wait(stage: Stage, attempt: Attempt) -> None:
        attempt.on_event(Resumed(0, 8, 1))
        begun.set()
        assert go_on.wait(10)

    runner, watchers = Runner(stages.store, wait), [RecordingWatcher(), RecordingWatcher()]
    with stages.session(runner) as session:
        first = session.submit(graphs[0], watchers[0])
        assert begun.wait(10)
        second = session.submit(graphs[1], watchers[1])
        wide = ("event", "teachers.wide", Resumed(0, 8, 1))
        assert until(lambda: wide in watchers[1].events, 10), "it gets what it has missed"
        go_on.set()
        assert len(first.result().results) == len(second.result().results) == 3
    assert sorted(runner.ran) == ["student", "teachers.deep", "teachers.wide"]
    for watcher in watchers:
        assert sorted(watcher.titles("end")) == sorted(runner.ran)


def test_a_graph_that_wants_other_anchors_waits_for_another_run(
    stages: FakeStages, tmp_path: Path
) -> None:
    """Both are of one session, so it is no other process that has the teacher."""
    wide = small.planned(tmp_path).stage("teachers.wide")
    first, second = (
        Graph(name, (replace(wide, extras=(name,)),), wide.data, tests=False)
        for name in ("anchor.1", "anchor.2")
    )
    begun, shown = threading.Event(), StringIO()

    def wait(stage: Stage, attempt: Attempt) -> None:
        begun.set()
        assert attempt.stopping.wait(10)
        raise KeyboardInterrupt

    with stages.session(Runner(stages.store, wait)) as session:
        session.submit(first, RecordingWatcher())
        assert begun.wait(10)
        session.submit(second, ProgressBars(Console(file=shown, width=200)))
        assert until(lambda: bool(shown.getvalue()), 10)
    said = "teachers.wide: another run is working on this stage; waiting for it\n"
    assert shown.getvalue().startswith(said)


def test_a_graph_that_is_cancelled_harms_no_other_and_stops_what_it_alone_wants(
    stages: FakeStages, tmp_path: Path
) -> None:
    alone = small.planned(tmp_path, "controls=[]", "teachers.deep=null")
    other = small.planned(tmp_path, "controls=[]", "teachers.wide.train.seed=1")
    both = small.planned(tmp_path, "controls=[]", "name=both", "teachers.deep=null")
    begun, go_on = threading.Event(), threading.Event()
    stopped: list[str] = []

    def wait(stage: Stage, attempt: Attempt) -> None:
        begun.set()
        while not go_on.wait(0.02):
            if attempt.stopping.is_set():
                stopped.append(stage.digest)
                raise KeyboardInterrupt

    with stages.session(Runner(stages.store, wait), cores=4) as session:
        first = session.submit(alone, RecordingWatcher())
        assert begun.wait(10)
        second = session.submit(both, RecordingWatcher())
        third = session.submit(other, RecordingWatcher())
        wide = other.stage("teachers.wide").digest
        assert until(lambda: (stages.store.folder(wide) / "attempt.json").exists(), 10)
        assert third.cancel()
        with pytest.raises(KeyboardInterrupt):
            third.result()
        assert wide in stopped
        assert first.cancel()
        with pytest.raises(KeyboardInterrupt):
            first.result()
        assert alone.stage("teachers.wide").digest not in stopped, "another graph wants it"
        go_on.set()
        assert len(second.result().results) == 2


def test_nothing_works_while_the_session_is_quiet(stages: FakeStages, tmp_path: Path) -> None:
    runner = Runner(stages.store)
    graph = small.planned(tmp_path, "controls=[]")
    with stages.session(runner) as session:
        session.runtime(graph)
        with session.quiet():
            future = session.submit(graph, RecordingWatcher())
            time.sleep(0.3)
            assert runner.ran == []
        assert len(future.result().results) == 3


def test_closing_a_session_ends_its_graphs(stages: FakeStages, tmp_path: Path) -> None:
    begun = threading.Event()

    def wait(stage: Stage, attempt: Attempt) -> None:
        begun.set()
        assert attempt.stopping.wait(10)
        raise KeyboardInterrupt

    session = stages.session(Runner(stages.store, wait))
    future = session.submit(small.planned(tmp_path, "controls=[]"), RecordingWatcher())
    assert begun.wait(10)
    session.close()
    with pytest.raises(KeyboardInterrupt):
        future.result()

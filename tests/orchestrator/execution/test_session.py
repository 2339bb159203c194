"""Claims about sessions: graphs share what they have in common, and end without harming others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import stillhouse
from cluster.config import ClusterConfig
from cluster.runtime import Demand
from orchestrator.errors import SessionError
from orchestrator.execution.session import Session, open_session
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from students.errors import UserError
from students.events import Committed, Event
from students.specs import MODEL, StageOutput
from students.storage.attempts import current_attempt
from students.storage.outcome import TEST, read_logits
from tests import small
from tests.running import IN_PROCESS, RecordingWatcher

IN_ONE_PROCESS = ClusterConfig(mode="in_process")
WHOLE = 16
"""As many logical CPUs as the session is given."""
ALONE = ("controls=[]", "teachers.deep=null", "student.objective.near=null")
LONG = (*ALONE, "student.train.epochs=80")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """On a Ray that the test process shares."""
    with Session(tmp_path_factory.mktemp("home")) as session:
        session.runtime(graph(session, tmp_path_factory.mktemp("recipe"))).grow(WHOLE)
        yield session


def graph(session: Session, folder: Path, *overrides: str) -> Graph:
    folder.mkdir(exist_ok=True)
    return stillhouse.plan(small.loaded(folder, *overrides), session)


class AtCommit(RecordingWatcher):
    """Sets an event at the student's first commit."""

    def __init__(self) -> None:
        super().__init__()
        self.committed = threading.Event()

    def on_event(self, stage: Any, event: Event) -> None:
        super().on_event(stage, event)
        if stage.name == "student" and isinstance(event, Committed):
            self.committed.set()


@pytest.mark.slow
def test_two_graphs_train_a_shared_teacher_once_and_ask_it_once(
    session: Session, tmp_path: Path
) -> None:
    watchers = RecordingWatcher(), RecordingWatcher()
    # Their teacher and its answers are theirs alone, whatever else has run in this session.
    own = (*ALONE, "transfer_set.seed=1")
    graphs = [graph(session, tmp_path, *own, f"student.train.seed={seed}") for seed in range(2)]
    futures = [session.submit(each, by) for each, by in zip(graphs, watchers, strict=True)]
    results = [future.result().results for future in futures]
    teachers = [
        result for each in results for result in each if result.stage.name == "teachers.wide"
    ]
    assert len({result.outcomes[MODEL].weights_sha256 for result in teachers}) == 1
    students = [each[-1].outcomes[MODEL] for each in results]
    assert len({outcome.weights_sha256 for outcome in students}) == 2
    answers = [outcome.answers["wide"] for outcome in students]
    samples = len(session.transfer_set(graphs[0].data).student_ids)
    assert sum(each.computed for each in answers) == 3 * samples, "once for each of three views"
    # Both are notified of the teacher's training, of which there was one.
    assert [watcher.titles("begin").count("teachers.wide") for watcher in watchers] == [1, 1]
    assert futures[0].result() is futures[0].result()
    assert not futures[0].cancel(), "it had ended"


@pytest.mark.slow
def test_a_cancelled_graph_leaves_no_role_and_harms_no_other(
    session: Session, tmp_path: Path
) -> None:
    kept, gone = AtCommit(), AtCommit()
    other = session.submit(graph(session, tmp_path, *LONG, "student.train.seed=3"), kept)
    future = session.submit(graph(session, tmp_path, *LONG, "student.train.seed=4"), gone)
    assert gone.committed.wait(120)
    assert future.cancel()
    with pytest.raises(KeyboardInterrupt):
        future.result()
    assert "student" not in gone.titles("end")
    student = other.result().results[-1]
    assert student.ran
    assert kept.titles("failure") == []
    with Session(tmp_path / "undisturbed", IN_ONE_PROCESS) as alone:
        made = graph(alone, tmp_path, *IN_PROCESS, *LONG, "student.train.seed=3")
        undisturbed = alone.submit(made).result().results[-1]
    assert student.outcomes[MODEL].weights_sha256 == undisturbed.outcomes[MODEL].weights_sha256
    assert_free(session)


def assert_free(session: Session) -> None:
    """No role has a place on the machine any more: all of it can be reserved at once."""
    runtime, stopping = session.pool.runtime, threading.Event()
    threading.Timer(20, stopping.set).start()
    [place] = runtime.reserve("test", [Demand(cpus=WHOLE)], stopping)
    runtime.release(place)


BROKEN = """
from torch import nn

class Net(nn.Sequential):
    steps = 0

    def forward(self, pictures):
        Net.steps += self.training and not pictures.is_meta
        if Net.steps == 9:
            raise ValueError("nine is too many")
        return super().forward(pictures)

def make(input_shape, classes):
    return Net(nn.Flatten(), nn.Linear(64, classes))
"""


@pytest.mark.slow
def test_a_mistake_in_the_users_code_is_not_tried_again_and_leaves_no_role(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(BROKEN)
    watcher = RecordingWatcher()
    custom = "student.model={kind: custom, source: 'net.py:make'}"
    failing = session.submit(graph(session, tmp_path, *ALONE, custom), watcher)
    with pytest.raises(UserError, match=r"net\.py:10 raises ValueError: nine is too many"):
        failing.result()
    assert watcher.titles("begin").count("student") == 1
    assert watcher.titles("failure") == []
    assert_free(session)


def test_a_mistake_in_a_teachers_code_is_named_and_not_tried_again(tmp_path: Path) -> None:
    code = BROKEN.replace("Net.steps == 9", "not self.training and len(pictures) == 64")
    (tmp_path / "net.py").write_text(code)
    custom = "teachers.wide.model={kind: custom, source: 'net.py:make'}"
    watcher = RecordingWatcher()
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        failing = session.submit(graph(session, tmp_path, *IN_PROCESS, *ALONE, custom), watcher)
        with pytest.raises(
            UserError, match=r"`teachers\.wide` cannot be computed: the code at .*net\.py:10"
        ):
            failing.result()
    assert watcher.titles("begin") == ["teachers.wide", "student"]
    assert watcher.titles("failure") == []


class Raising(RecordingWatcher):
    """Cannot cope with events."""

    def on_event(self, stage: Any, event: Event) -> None:
        raise ArithmeticError("no event, please")


def test_an_error_of_one_graphs_watcher_does_not_reach_the_other_graph(tmp_path: Path) -> None:
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        made, watcher = graph(session, tmp_path, *IN_PROCESS, *ALONE), RecordingWatcher()
        bad, good = session.submit(made, Raising()), session.submit(made, watcher)
        assert good.result().results[-1].stage.name == "student"
        with pytest.raises(ArithmeticError, match="no event, please"):
            bad.result()
    assert watcher.titles("end") == ["teachers.wide", "student"]


def test_a_closed_session_refuses_graphs(tmp_path: Path) -> None:
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        made = graph(session, tmp_path, *IN_PROCESS, *ALONE)
    with pytest.raises(SessionError, match="closed; open another one"):
        session.submit(made, RecordingWatcher())
    session.close()


def test_a_process_has_one_session_for_a_home(tmp_path: Path) -> None:
    with open_session(tmp_path, IN_ONE_PROCESS) as one:
        with open_session(tmp_path, IN_ONE_PROCESS) as other:
            assert one is other
        with (
            pytest.raises(SessionError, match="in_process is open"),
            open_session(tmp_path, ClusterConfig()),
        ):
            pass
        made = graph(one, tmp_path, *IN_PROCESS, *ALONE)
        assert one.submit(made, RecordingWatcher()).result().results[-1].ran, "it is still open"
    with open_session(tmp_path, IN_ONE_PROCESS) as later:
        assert later is not one


@pytest.mark.slow
def test_two_runs_from_two_threads_share_what_they_have_in_common(tmp_path: Path) -> None:
    recipes = [
        small.loaded(tmp_path, *IN_PROCESS, *ALONE, f"student.train.seed={seed}") for seed in (0, 1)
    ]
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(stillhouse.run, recipe, home=tmp_path / "home") for recipe in recipes
        ]
        reports = [run.result().report for run in runs]
    assert len({report.student.weights_sha256 for report in reports if report.student}) == 2
    [teacher] = {report.stages[0].digest for report in reports}
    assert current_attempt(Store(tmp_path / "home").folder(teacher)) == 1
    answers = [report.teaching.teachers["wide"] for report in reports if report.teaching]
    assert sorted(each.computed > 0 for each in answers) == [False, True]


def test_a_student_may_start_from_what_a_stage_has_made(tmp_path: Path) -> None:
    settings = (*IN_PROCESS, *ALONE, "student.model.hidden=[64]", "student.model.dropout=0.0")
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        made = graph(session, tmp_path, *settings)
        student, teacher = made.stage("student"), made.stage("teachers.wide")
        started = replace(
            student,
            cohort=tuple(
                replace(spec, weights=StageOutput(teacher.digest)) for spec in student.cohort
            ),
        )
        assert started.digest != student.digest
        nodes = tuple(started if node is student else node for node in made.nodes)
        watcher = RecordingWatcher()
        results = session.submit(replace(made, nodes=nodes), watcher).result().results
        first, plain = (
            session.submit(each, RecordingWatcher()).result().results[-1].outcomes[MODEL].curve[0]
            for each in (replace(made, nodes=nodes), made)
        )
    assert results[-1].ran
    assert first.accuracy is not None and plain.accuracy is not None
    assert first.accuracy > plain.accuracy, "it has learnt something before"


def test_each_graph_has_the_parts_and_views_that_its_recipe_names(tmp_path: Path) -> None:
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        graphs = [graph(session, tmp_path, f"transfer_set.seed={seed}") for seed in (0, 1, 0)]
        first, other, again = (session.transfer_set(each.data) for each in graphs)
    assert (first.config.seed, other.config.seed) == (0, 1)
    assert first is again, "and it is loaded once"


def test_the_test_part_is_evaluated_only_where_it_is_asked_for(tmp_path: Path) -> None:
    with Session(tmp_path / "home", IN_ONE_PROCESS) as session:
        made = graph(session, tmp_path, *IN_PROCESS, *ALONE)

        def logits(tests: bool) -> list[bool]:
            session.submit(replace(made, tests=tests), RecordingWatcher()).result()
            folders = [session.store.folder(stage.digest) for stage in made.stages]
            return [read_logits(folder, MODEL, TEST) is not None for folder in folders]

        assert logits(tests=False) == [False, False]
        assert logits(tests=True) == [True, True]

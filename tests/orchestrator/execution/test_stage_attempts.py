"""How often a stage is attempted, on what threads, and what is said of it; with a fake runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.errors import CannotPlace, RoleLost, RoleSilent
from orchestrator.execution.event_relay import RoleFailed
from orchestrator.execution.failure_policy import StageGivenUp
from orchestrator.execution.stage_runner import Attempt
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage
from students.errors import CheckpointError, TrainingError
from students.events import Committed
from teachers.errors import AnswersGone
from tests import small
from tests.orchestrator.execution.fake_stages import FakeStages, Runner, fake_stages
from tests.running import RecordingWatcher


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStages:
    return fake_stages(tmp_path, monkeypatch)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path, "controls=[]")


def failing(*errors: Exception | None, commits: bool = False) -> Callable[[Stage, Attempt], None]:
    """What a runner does in the student's attempts, one after the other."""

    def meanwhile(stage: Stage, attempt: Attempt) -> None:
        if stage.name == "student" and (error := errors[attempt.number - 1]) is not None:
            if commits:
                attempt.on_event(Committed(4 * attempt.number, ()))
            raise RoleFailed(stage, 0, error)

    return meanwhile


def attempts(watcher: RecordingWatcher) -> list[int]:
    """The numbers of the student's attempts."""
    return [
        number for what, title, number in watcher.events if (what, title) == ("begin", "student")
    ]


LOST = RoleLost("its process has died")


def test_threads_are_resolved_at_the_first_attempt_and_kept(
    stages: FakeStages, tmp_path: Path
) -> None:
    auto = ("student.train.threads=auto", "teachers.wide.threads=auto")
    graph = small.planned(tmp_path, *auto)
    with pytest.raises(TrainingError):
        stages.run(graph, Runner(stages.store, failing(TrainingError("it fell"))), cores=16)
    runner = Runner(stages.store)
    stages.run(graph, runner, cores=2)
    kept = runner.attempts[runner.ran.index("student")].resolved
    assert kept["student"] > 1, "as sixteen cores were shared out"
    assert kept["teachers"] == {"wide": kept["student"], "deep": 1}


def test_a_missing_outcome_is_an_error(stages: FakeStages, graph: Graph) -> None:
    class Idle(Runner):
        def store_outcome(self, stage: Stage, attempt: Attempt) -> None:
            """Leaves nothing."""

    with pytest.raises(CheckpointError, match=r"outcome of stage 'teachers\.\w+' in '.*' cannot"):
        stages.run(graph, Idle(stages.store))


def test_missing_answers_cost_an_attempt_with_all_teachers(
    stages: FakeStages, graph: Graph
) -> None:
    watcher = RecordingWatcher()
    runner = Runner(stages.store, failing(AnswersGone("they are gone"), None))
    stages.run(graph, runner, watcher)
    assert attempts(watcher) == [1, 2]
    first, second = (a for t, a in zip(runner.ran, runner.attempts, strict=True) if t == "student")
    assert (first.start_all, second.start_all) == (False, True)
    [(_, _, sentence)] = [event for event in watcher.events if event[0] == "failure"]
    assert "they are gone" in sentence


@pytest.mark.parametrize(
    "error", [LOST, RoleSilent("nothing for 5 s"), MemoryError(), RuntimeError("odd")], ids=repr
)
def test_a_role_that_failed_costs_an_attempt_and_is_reported(
    stages: FakeStages, graph: Graph, error: Exception
) -> None:
    watcher = RecordingWatcher()
    runner = Runner(stages.store, failing(error, error, None))
    results = stages.run(graph, runner, watcher)
    assert results[-1].ran
    assert attempts(watcher) == [1, 2, 3]
    said = [detail for what, _, detail in watcher.events if what == "failure"]
    assert len(said) == 2
    assert stages.store.failures(graph.stage("student").digest) == said
    assert "(failure 2 of at most 3 without a new checkpoint)" in said[1]


def test_three_failures_without_a_new_checkpoint_end_the_run(
    stages: FakeStages, graph: Graph
) -> None:
    watcher = RecordingWatcher()
    with pytest.raises(StageGivenUp, match="'student' was given up at step 0 after 3 failures"):
        stages.run(graph, Runner(stages.store, failing(LOST, LOST, LOST, None)), watcher)
    assert attempts(watcher) == [1, 2, 3]


def test_failures_with_a_new_checkpoint_between_them_do_not_add_up(
    stages: FakeStages, graph: Graph
) -> None:
    watcher = RecordingWatcher()
    runner = Runner(stages.store, failing(*[LOST] * 5, None, commits=True))
    stages.run(graph, runner, watcher)
    assert attempts(watcher) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "error", [TrainingError("NaN ten times"), CannotPlace("no room")], ids=repr
)
def test_what_another_attempt_cannot_change_is_not_tried_again(
    stages: FakeStages, graph: Graph, error: Exception
) -> None:
    watcher = RecordingWatcher()
    with pytest.raises(type(error), match=str(error)):
        stages.run(graph, Runner(stages.store, failing(error, None)), watcher)
    assert attempts(watcher) == [1]
    assert watcher.titles("failure") == []

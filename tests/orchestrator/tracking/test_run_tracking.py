"""What is reported of a run to the tracker: its stages, what they commit, how it ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import STAGE_FORMAT
from orchestrator.tracking import run_tracking
from orchestrator.tracking.mlflow_tracker import tracker_location
from orchestrator.tracking.run_tracking import RunTracking, lineage
from students.events import Advanced, Committed
from students.specs import MODEL
from students.storage.outcome import Outcome
from students.storage.step_log import StepLogWriter
from tests import small
from tests.orchestrator.tracking.memory_tracker import MemoryTracker

WITHIN = 20.0
"""Seconds that the writer's thread may take."""


class TrackedRun:
    """A plan whose run is reported to a tracker."""

    def __init__(self, folder: Path, tracker: MemoryTracker, *overrides: str) -> None:
        self.graph = small.planned(folder, "tracking.every=2", *overrides)
        self.store = Store(folder / "home")
        self.store.prepare()
        location = tracker_location(self.store.home, self.graph, {})
        self.said: list[str] = []
        self.tracking = RunTracking(
            self.graph, self.store, {"name": "small"}, location, self.said.append
        )
        self.tracker = tracker

    def commits(self, name: str, attempt: int, steps: range, segments: Any = ()) -> Any:
        """An attempt at a stage measures ``steps`` and commits; the segments then."""
        stage = self.graph.stage(name)
        with StepLogWriter(self.store.folder(stage.digest), attempt) as step_log:
            for step in steps:
                step_log.write_step(step, {"loss": float(step)})
            committed = (*segments, (attempt, step_log.commit_point()))
            # What comes after the commit is never sent.
            step_log.write_step(99, {"loss": 99.0})
        self.tracking.on_begin(stage, attempt)
        self.tracking.on_event(stage, Advanced(steps[-1], 0.5))
        self.tracking.on_event(stage, Committed(steps[-1], committed))
        return committed

    def ends(self, name: str, segments: Any) -> None:
        outcome = Outcome("sha", 1, 1, 1, segments=tuple(segments))
        outcomes = {MODEL: outcome}
        self.tracking.on_end(StageResult(self.graph.stage(name), outcomes, ran=True, seconds=1.0))

    def close(self, status: Any, seconds: float = WITHIN) -> list[str]:
        return self.tracking.close(status, seconds)

    def losses(self, name: str) -> list[tuple[int, float]]:
        return [point[1:] for point in self.tracker.points(name) if point[0] == "loss"]


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    tracker = MemoryTracker()
    monkeypatch.setattr(run_tracking, "MlflowTracker", lambda location: tracker)
    return tracker


def test_committed_steps_are_sent_in_windows_and_nothing_after_the_commit(
    tmp_path: Path, tracker: MemoryTracker
) -> None:
    run = TrackedRun(tmp_path, tracker)
    segments = run.commits("student", 1, range(5))
    run.ends("student", segments)
    run.close("FINISHED")
    assert run.said == []
    assert run.losses("student") == [(1, 0.5), (3, 2.5), (4, 4.0)]
    assert tracker.statuses[tracker.run_of("student")] == "FINISHED"
    assert tracker.statuses[tracker.run_of("small")] == "FINISHED"


def test_a_run_that_was_killed_and_resumed_is_sent_once(
    tmp_path: Path, tracker: MemoryTracker
) -> None:
    first = TrackedRun(tmp_path, tracker)
    segments = first.commits("student", 1, range(3))
    first.close("KILLED")
    assert tracker.statuses[tracker.run_of("student")] == "KILLED"
    assert first.losses("student") == [(1, 0.5)], "the window that was cut is sent later"
    second = TrackedRun(tmp_path, tracker)
    second.ends("student", second.commits("student", 2, range(3, 6), segments))
    second.close("FINISHED")
    assert second.losses("student") == [(1, 0.5), (3, 2.5), (5, 4.5)]
    assert tracker.statuses[tracker.run_of("student")] == "FINISHED"


def test_stages_that_never_began_have_no_run(tmp_path: Path, tracker: MemoryTracker) -> None:
    run = TrackedRun(tmp_path, tracker)
    run.ends("teachers.wide", run.commits("teachers.wide", 1, range(2)))
    run.tracking.on_wait(run.graph.stage("student"))
    run.close("FAILED")
    assert {spec.name for spec in tracker.runs.values()} == {"small", "teachers.wide"}
    assert tracker.statuses[tracker.run_of("teachers.wide")] == "FINISHED"
    assert tracker.statuses[tracker.run_of("small")] == "FAILED"


def test_a_run_that_is_interrupted_before_its_first_commit_does_not_connect(
    tmp_path: Path, tracker: MemoryTracker
) -> None:
    run = TrackedRun(tmp_path, tracker)
    run.tracking.on_begin(run.graph.stage("student"), 1)
    assert run.close("KILLED") == []
    assert (tracker.runs, run.said) == ({}, [])


def test_a_stage_under_two_titles_has_one_run(tmp_path: Path, tracker: MemoryTracker) -> None:
    run = TrackedRun(tmp_path, tracker)
    segments = run.commits("student", 1, range(4))
    run.ends("student", segments)
    chosen = replace(run.graph.stage("student"), name="assistants.1")
    outcomes = {MODEL: Outcome("sha", 1, 1, 1, segments=tuple(segments))}
    run.tracking.on_end(StageResult(chosen, outcomes, ran=False, seconds=0.0))
    assert len(run.close("FINISHED")) == 2
    assert {spec.name for spec in tracker.runs.values()} == {"small", "student"}
    assert run.losses("student") == [(1, 0.5), (3, 2.5)]


def test_a_stage_has_its_lineage_as_tags(tmp_path: Path, tracker: MemoryTracker) -> None:
    run = TrackedRun(tmp_path, tracker)
    run.tracking.on_begin(run.graph.stage("student"), 1)
    run.close("FINISHED")
    spec = tracker.runs[tracker.run_of("student")]
    wide, deep = (run.graph.stage(f"teachers.{name}").digest for name in ("wide", "deep"))
    assert spec.tags["stillhouse.teacher.wide"] == wide
    assert spec.tags["stillhouse.teacher.deep"] == deep
    assert spec.tags["stillhouse.repeat"] == "0"
    assert lineage(run.graph).items() <= spec.tags.items()
    assert spec.tags["stillhouse.data"] == run.graph.data.identity
    assert spec.tags["stillhouse.recipe_digest"] == run.graph.digest
    assert f"stage format {STAGE_FORMAT}" in spec.tags["stillhouse.code"]
    assert run.graph.stage("student").digest in spec.identity[1]
    assert spec.params["train.epochs"] == "3"


def test_a_tracker_that_is_down_is_reported_and_gets_everything_later(
    tmp_path: Path, tracker: MemoryTracker
) -> None:
    tracker.down.set()
    run = TrackedRun(tmp_path, tracker)
    segments = run.commits("student", 1, range(4))
    run.ends("student", segments)
    assert run.close("FINISHED", 0.5) == []
    assert run.said
    assert "it is tried again" in run.said[0]
    assert all("not tracked yet" in line for line in run.said[1:])
    assert tracker.rows == []
    tracker.down.clear()
    again = TrackedRun(tmp_path, tracker)
    again.ends("student", segments)
    assert len(again.close("FINISHED")) == 2
    assert again.losses("student") == [(1, 0.5), (3, 2.5)]

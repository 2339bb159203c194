"""What the tracker is told of a run: which stages there are, what they commit, how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution.executor import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.fingerprint import STAGE_FORMAT
from orchestrator.planning.plan import Plan
from orchestrator.tracking import run_tracking
from orchestrator.tracking.run_tracking import RunTracking, lineage
from orchestrator.tracking.tracker import Cursor, Metric, OpenRun, RunSpec
from students.events import Advanced, Committed
from students.storage.outcome import Outcome
from students.storage.step_log import StepLogWriter
from tests import small
from tests.orchestrator.tracking.tracker_contract import hold_to_contract

WITHIN = 20.0
"""Seconds that the writer's thread is given."""


class Remembering:
    """A tracker in memory."""

    def __init__(self) -> None:
        self.specs: dict[str, RunSpec] = {}
        self.statuses: dict[str, str] = {}
        self.cursors: dict[str, Cursor] = {}
        self.told: dict[str, list[Metric]] = {}
        self.files: dict[str, str] = {}
        self.down = False

    def open(self, spec: RunSpec, parent: str | None) -> OpenRun:
        if self.down:
            raise ConnectionError("no route")
        run_id = f"{parent or ''}/{spec.identity[1]}"
        self.specs.setdefault(run_id, spec)
        self.statuses.setdefault(run_id, "RUNNING")
        status: Any = self.statuses[run_id]
        return OpenRun(run_id, self.cursors.get(run_id, Cursor()), status)

    def log(self, run_id: str, metrics: Any, cursor: Cursor) -> None:
        self.told.setdefault(run_id, []).extend(metrics)
        self.cursors[run_id] = cursor

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        self.files[path.name] = run_id

    def log_student(self, *args: Any) -> None:
        raise AssertionError("there is none here")

    def set_status(self, run_id: str, status: str) -> None:
        self.statuses[run_id] = status

    def of(self, name: str) -> str:
        [run_id] = [run_id for run_id, spec in self.specs.items() if spec.name == name]
        return run_id


def test_the_memory_keeps_the_trackers_contract(tmp_path: Path) -> None:
    hold_to_contract(Remembering(), tmp_path)


class Followed:
    """A plan of which the tracker is told."""

    def __init__(self, folder: Path, tracker: Remembering, *overrides: str) -> None:
        self.plan: Plan = small.planned(folder, "tracking.every=2", *overrides)
        self.store = Store(folder / "home")
        self.store.prepare()
        self.tracking = RunTracking(self.plan, self.store, {"name": "small"}, {})
        self.tracker = tracker
        self.said: list[str] = []

    def commits(self, name: str, attempt: int, steps: range, segments: Any = ()) -> Any:
        """An attempt at a stage measures ``steps`` and commits; the segments then."""
        stage = self.plan.stage(name)
        with StepLogWriter(self.store.folder(stage.digest), attempt) as step_log:
            for step in steps:
                step_log.write_step(step, {"loss": float(step)})
            committed = (*segments, (attempt, step_log.commit_point()))
            # What comes after the commit is never told.
            step_log.write_step(99, {"loss": 99.0})
        self.tracking.on_begin(stage, attempt)
        self.tracking.on_event(stage, Advanced(steps[-1], 0.5))
        self.tracking.on_event(stage, Committed(steps[-1], committed))
        return committed

    def ends(self, name: str, segments: Any) -> None:
        outcome = Outcome("sha", 1, 1, 1, segments=tuple(segments))
        self.tracking.on_end(StageResult(self.plan.stage(name), outcome, ran=True, seconds=1.0))

    def close(self, status: Any) -> None:
        self.tracking.close(status, self.said.append, WITHIN)

    def losses(self, name: str) -> list[tuple[int, float]]:
        told = self.tracker.told.get(self.tracker.of(name), [])
        return [(metric.step, metric.value) for metric in told if metric.key == "loss"]


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Remembering:
    remembering = Remembering()
    monkeypatch.setattr(run_tracking, "MlflowTracker", lambda where: remembering)
    return remembering


def test_committed_steps_are_told_in_windows_and_nothing_after_the_commit(
    tmp_path: Path, tracker: Remembering
) -> None:
    run = Followed(tmp_path, tracker)
    segments = run.commits("student", 1, range(5))
    run.ends("student", segments)
    run.close("FINISHED")
    assert run.said == []
    assert run.losses("student") == [(1, 0.5), (3, 2.5), (4, 4.0)]
    assert tracker.statuses[tracker.of("student")] == "FINISHED"
    assert tracker.statuses[tracker.of("small")] == "FINISHED"


def test_a_run_that_was_killed_and_goes_on_is_told_once(
    tmp_path: Path, tracker: Remembering
) -> None:
    first = Followed(tmp_path, tracker)
    segments = first.commits("student", 1, range(3))
    first.close("KILLED")
    assert tracker.statuses[tracker.of("student")] == "KILLED"
    assert first.losses("student") == [(1, 0.5)], "the window that was cut is told later"
    second = Followed(tmp_path, tracker)
    second.ends("student", second.commits("student", 2, range(3, 6), segments))
    second.close("FINISHED")
    assert second.losses("student") == [(1, 0.5), (3, 2.5), (5, 4.5)]
    assert tracker.statuses[tracker.of("student")] == "FINISHED"


def test_stages_nobody_touched_have_no_run(tmp_path: Path, tracker: Remembering) -> None:
    run = Followed(tmp_path, tracker)
    run.ends("teachers.wide", run.commits("teachers.wide", 1, range(2)))
    run.tracking.on_wait(run.plan.stage("student"))
    run.close("FAILED")
    assert {spec.name for spec in tracker.specs.values()} == {"small", "teachers.wide"}
    assert tracker.statuses[tracker.of("teachers.wide")] == "FINISHED"
    assert tracker.statuses[tracker.of("small")] == "FAILED"


def test_a_stage_says_what_it_was_made_of(tmp_path: Path, tracker: Remembering) -> None:
    run = Followed(tmp_path, tracker)
    run.tracking.on_begin(run.plan.stage("student"), 1)
    run.close("FINISHED")
    spec = tracker.specs[tracker.of("student")]
    wide, deep = (run.plan.stage(f"teachers.{name}").digest for name in ("wide", "deep"))
    assert spec.tags["stillhouse.teacher.wide"] == wide
    assert spec.tags["stillhouse.teacher.deep"] == deep
    assert spec.tags["stillhouse.repeat"] == "0"
    assert lineage(run.plan).items() <= spec.tags.items()
    assert spec.tags["stillhouse.data"] == run.plan.identity
    assert spec.tags["stillhouse.recipe_digest"] == run.plan.digest
    assert f"stage format {STAGE_FORMAT}" in spec.tags["stillhouse.code"]
    assert run.plan.stage("student").digest in spec.identity[1]
    assert spec.params["train.epochs"] == "3"


def test_a_tracker_that_is_down_is_told_of_and_told_later(
    tmp_path: Path, tracker: Remembering
) -> None:
    tracker.down = True
    run = Followed(tmp_path, tracker)
    segments = run.commits("student", 1, range(4))
    run.ends("student", segments)
    run.tracking.close("FINISHED", run.said.append, 0.5)
    assert run.said
    assert all("not sent to the tracker yet" in line for line in run.said)
    assert tracker.told == {}
    tracker.down = False
    again = Followed(tmp_path, tracker)
    again.ends("student", segments)
    again.close("FINISHED")
    assert again.losses("student") == [(1, 0.5), (3, 2.5)]

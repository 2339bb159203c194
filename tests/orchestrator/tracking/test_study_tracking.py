"""What is reported of a study to the tracker: its trials, once, its figures, how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from orchestrator.planning.graph import Graph
from orchestrator.tracking import study_tracking
from orchestrator.tracking.mlflow_tracker import TrackerLocation
from orchestrator.tracking.study_tracking import StudyTracking
from search.trials import OVERRIDES, FinishedTrial, Result
from tests import small
from tests.orchestrator.study_samples import study
from tests.orchestrator.tracking.memory_tracker import MemoryTracker

SECONDS = 20.0
CHOSEN = "assistants.1"
"""A stage of trial 1 that a choice has added."""
OVERRIDES_OF_1 = {"student.model.hidden": [8], "schedule": {"kind": "assistants", "path": []}}


def finished(number: int, state: TrialState = TrialState.COMPLETE, **more: Any) -> FinishedTrial:
    scores = {"accuracy": 0.5 + number / 100, "parameters": 100.0}
    record = {"stages": {"teachers.wide": "a" * 32, "student": f"{number}" * 32}}
    result = Result(state, scores, seconds=2.0, record=record, **more)
    frozen = create_trial(
        state=state,
        value=1.0 if state is TrialState.COMPLETE else None,
        user_attrs={OVERRIDES: OVERRIDES_OF_1},
    )
    return FinishedTrial(number, frozen, result)


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    tracker = MemoryTracker()
    monkeypatch.setattr(study_tracking, "MlflowTracker", lambda location: tracker)
    return tracker


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return small.planned(tmp_path_factory.mktemp("planned"))


def tracking(folder: Path, graph: Graph, said: list[str]) -> StudyTracking:
    location = TrackerLocation("http://ann:secret@host", "small")
    recipe = {"name": "digits", "search": {"trials": 3}}
    return StudyTracking(
        "digits-2",
        "f" * 32,
        graph,
        recipe,
        folder,
        location,
        said.append,
        lambda number: {CHOSEN: "c" * 32} if number == 1 else {},
    )


def run(folder: Path, graph: Graph, *trials: FinishedTrial) -> list[str]:
    """A whole study of ``trials``; what it said."""
    said: list[str] = []
    whole = tracking(folder, graph, said)
    for trial in trials:
        whole.on_finish(trial)
    page = folder / "study.md"
    page.write_text("# digits")
    whole.add_report(study(artifacts={"study.md": str(page)}, trials=trials, winners=()))
    whole.close("FINISHED", SECONDS)
    return said


TRIALS = (
    finished(0),
    finished(1, TrialState.PRUNED, reason="dominated after epoch 2"),
    finished(2, TrialState.FAIL, reason="the loss is not finite"),
)


def test_each_trial_is_a_run_below_the_studys(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker
) -> None:
    assert run(tmp_path, graph, *TRIALS) == []
    parent, second = tracker.run_of("digits-2"), tracker.run_of("trial 1")
    assert second.startswith(f"{parent}/")
    spec = tracker.runs[second]
    assert spec.params["student.model.hidden"] == "[8]"
    assert spec.params["schedule.kind"] == "assistants"
    assert spec.tags["stillhouse.state"] == "PRUNED"
    assert spec.tags["stillhouse.reason"] == "dominated after epoch 2"
    assert spec.tags["stillhouse.stage.teachers.wide"] == "a" * 32
    assert spec.tags["stillhouse.stage.student"] == "1" * 32
    assert spec.tags[f"stillhouse.stage.{CHOSEN}"] == "c" * 32
    assert f"stillhouse.stage.{CHOSEN}" not in tracker.runs[tracker.run_of("trial 0")].tags
    assert [tracker.statuses[tracker.run_of(f"trial {n}")] for n in range(3)] == [
        "FINISHED", "FINISHED", "FAILED"
    ]  # fmt: skip
    figures = {metric.key: metric.value for of, metric in tracker.rows if of == second}
    assert figures == {"accuracy": 0.51, "parameters": 100.0, "seconds": 2.0}
    assert tracker.statuses[parent] == "FINISHED"
    assert (parent, "study.md", "# digits") in tracker.files
    assert "shared/stages_reused" in {metric.key for of, metric in tracker.rows if of == parent}


def test_a_study_that_runs_again_is_sent_once(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker
) -> None:
    killed = tracking(tmp_path, graph, [])
    killed.on_begin(0, 2)
    killed.on_finish(TRIALS[0])
    killed.close("KILLED", SECONDS)
    assert tracker.statuses[tracker.run_of("digits-2")] == "KILLED"
    run(tmp_path, graph, *TRIALS)
    run(tmp_path, graph, *TRIALS)
    keys = [(of, metric.key, metric.step) for of, metric in tracker.rows]
    assert len(keys) == len(set(keys))
    assert len(tracker.runs) == 4


def test_a_longer_study_adds_its_figures_at_the_number_of_its_trials(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker
) -> None:
    run(tmp_path, graph, *TRIALS[:2])
    run(tmp_path, graph, *TRIALS)
    parent = tracker.run_of("digits-2")
    steps = [m.step for of, m in tracker.rows if of == parent and m.key == "shared/stages_reused"]
    assert steps == [2, 3]


def test_one_that_is_interrupted_before_its_first_trial_does_not_connect(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker
) -> None:
    tracking(tmp_path, graph, []).close("KILLED", SECONDS)
    assert tracker.runs == {}


def test_a_tracker_that_is_down_ends_nothing_and_gets_everything_later(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tracking.writer.SECONDS_WHILE_FAILING", 0.0)
    tracker.down.set()
    said = run(tmp_path, graph, *TRIALS)
    assert any("not tracked yet" in line for line in said)
    assert not any("secret" in line for line in said)
    assert not tracking(tmp_path, graph, []).is_complete
    tracker.down.clear()
    assert run(tmp_path, graph, *TRIALS) == []
    assert len(tracker.runs) == 4


def test_what_the_tracker_has_is_known_until_a_file_changes(
    tmp_path: Path, graph: Graph, tracker: MemoryTracker
) -> None:
    run(tmp_path, graph, *TRIALS)
    assert tracking(tmp_path, graph, []).is_complete
    (tmp_path / "study.md").write_text("edited")
    assert not tracking(tmp_path, graph, []).is_complete


def test_a_trial_takes_three_requests(
    tmp_path: Path, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = []
    for count in (1, 11):
        tracker = MemoryTracker()
        monkeypatch.setattr(study_tracking, "MlflowTracker", lambda _, own=tracker: own)
        run(tmp_path, graph, *map(finished, range(count)))
        requests.append(tracker.requests._value)
    assert requests[1] - requests[0] == 3 * 10

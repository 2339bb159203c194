"""Windows of committed rows reach a tracker once, whatever dies in between."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.tracking.desired import StageProgress
from orchestrator.tracking.tracker import (
    Cursor,
    RunSpec,
    flatten,
    key,
    redact,
)
from orchestrator.tracking.windows import Windows
from orchestrator.tracking.writer import TrackingWriter
from students.storage.step_log import Row, StepLogWriter, extend_segments
from tests.orchestrator.tracking.memory_tracker import MemoryTracker
from tests.orchestrator.tracking.tracker_contract import check_contract

RUN = RunSpec("digits", ("stillhouse.recipe", "abc"))


def writer_for(tracker, every=4):
    return TrackingWriter(lambda: tracker, RUN, every, pause=(0.01, 0.02))


def stage_of(folder, segments=(), status="RUNNING", name="student"):
    spec = RunSpec(name, ("stillhouse.stage", f"0123:{name}"))
    return StageProgress(spec, folder, tuple(segments), status)


def write(folder, attempt, steps, history=(), epochs=()):
    with StepLogWriter(folder, attempt) as step_log:
        for step in steps:
            step_log.write_step(step, {"loss": float(step), "samples": 64, "step_seconds": 0.5})
            if step in epochs:
                step_log.write_epoch(step // 5, step, {"accuracy": 0.5})
        return extend_segments(history, attempt, step_log.commit_point())


def finished(tracker, folder, segments, name="student", timeout=10.0):
    writer = writer_for(tracker)
    writer.set_stage(stage_of(folder, segments, "FINISHED", name))
    writer.finish("FINISHED")
    return writer.drain(timeout)


LOSSES = [("loss", 3, 1.5), ("loss", 7, 5.5), ("loss", 9, 8.5)]


def losses(tracker, name="student"):
    return sorted(point for point in tracker.points(name) if point[0] == "loss")


def test_the_tracker_of_these_tests_keeps_the_contract(tmp_path):
    check_contract(MemoryTracker(), tmp_path)


def test_a_window_is_the_mean_of_its_steps_at_the_last_one(tmp_path):
    tracker = MemoryTracker()
    assert finished(tracker, tmp_path, write(tmp_path, 1, range(10))) == ()
    assert losses(tracker) == LOSSES
    assert ("samples_per_second", 7, 128.0) in tracker.points("student")


def test_waiting_adds_up_and_rates_are_all_samples_over_all_seconds():
    rows = [
        Row("step", 0, 10, {"samples": 10, "step_seconds": 1.0, "wait_seconds": 0.5}),
        Row("step", 1, 20, {"samples": 90, "step_seconds": 9.0, "wait_seconds": 1.0, "loss": 2.0}),
    ]
    ((metrics, _),) = Windows(2, Cursor()).take(rows)
    assert {metric.key: metric.value for metric in metrics} == {
        "loss": 2.0,
        "wait_seconds": 1.5,
        "samples_per_second": 10.0,
    }
    assert {(metric.step, metric.time_ms) for metric in metrics} == {(1, 20)}


def test_epochs_are_sent_at_once_under_names_of_the_validation_part(tmp_path):
    tracker = MemoryTracker()
    finished(tracker, tmp_path, write(tmp_path, 1, range(10), epochs={4, 9}))
    epochs = [point for point in tracker.points("student") if point[0].startswith("validation/")]
    assert epochs == [("validation/accuracy", 4, 0.5), ("validation/accuracy", 9, 0.5)]


@pytest.mark.parametrize("killed_at", range(1, 10))
def test_each_metric_is_there_once_though_the_run_was_killed(tmp_path, killed_at):
    tracker = MemoryTracker()
    history = write(tmp_path, 1, range(killed_at), epochs={4, 9})
    with (tmp_path / "spool" / "attempt-0001.jsonl").open("ab") as straggler:
        straggler.write(b'{"kind":"step","step":99,"time_ms":1,"values":{"loss":99}}\n')
    killed = writer_for(tracker)
    killed.set_stage(stage_of(tmp_path, history))
    assert killed.drain(10) == ()
    assert all(point[1] < killed_at for point in tracker.points("student"))
    history = write(tmp_path, 2, range(killed_at, 10), history, epochs={4, 9})
    assert finished(tracker, tmp_path, history) == ()
    assert losses(tracker) == LOSSES
    assert max(Counter(point[:2] for point in tracker.points("student")).values()) == 1


def test_metrics_whose_cursor_was_lost_are_sent_again_with_the_same_four_values(tmp_path):
    tracker = MemoryTracker()
    tracker.down_after = 1
    writer = writer_for(tracker)
    writer.set_stage(stage_of(tmp_path, write(tmp_path, 1, range(10)), "FINISHED"))
    writer.start()
    assert tracker.down.wait(5)
    tracker.down_after = None
    tracker.down.clear()
    assert writer.drain(10) == ()
    assert losses(tracker) == sorted(LOSSES * 2)
    assert len(set(tracker.rows)) == len({(row.key, row.step) for _, row in tracker.rows})


def test_a_finished_stage_is_sent_in_full_for_a_second_recipe_and_once_for_the_first(tmp_path):
    tracker = MemoryTracker()
    history = write(tmp_path, 1, range(10))
    finished(tracker, tmp_path, history)
    sent = len(tracker.rows)
    finished(tracker, tmp_path, history)
    assert len(tracker.rows) == sent
    other = TrackingWriter(lambda: tracker, replace(RUN, identity=("stillhouse.recipe", "b")), 4)
    other.set_stage(stage_of(tmp_path, history, "FINISHED"))
    assert other.drain(10) == ()
    assert len(tracker.rows) == 2 * sent


def test_a_stage_that_is_deleted_and_runs_again_is_not_sent_twice(tmp_path):
    tracker = MemoryTracker()
    finished(tracker, tmp_path / "first", write(tmp_path / "first", 1, range(10)))
    finished(tracker, tmp_path / "again", write(tmp_path / "again", 1, range(10)))
    assert losses(tracker) == LOSSES


def test_a_dead_tracker_neither_blocks_nor_raises_and_nothing_is_lost(tmp_path):
    tracker = MemoryTracker()
    tracker.down.set()
    writer = writer_for(tracker)
    history = write(tmp_path, 1, range(6))
    writer.set_stage(stage_of(tmp_path, history))
    writer.start()
    for _ in range(3):
        assert tracker.requests.acquire(timeout=5)
    history = write(tmp_path, 2, range(6, 10), history)
    writer.set_stage(stage_of(tmp_path, history, "FINISHED"))
    writer.finish("FINISHED")
    tracker.down.clear()
    assert writer.drain(10) == ()
    assert losses(tracker) == LOSSES
    assert tracker.statuses["None/abc"] == "FINISHED"


def test_what_was_not_sent_is_reported_without_credentials_and_sent_by_the_next_run(tmp_path):
    tracker = MemoryTracker()
    tracker.down.set()
    history = write(tmp_path, 1, range(10))
    (sentence,) = finished(tracker, tmp_path, history, timeout=0.3)
    assert "'digits' was not sent to the tracker (ConnectionError" in sentence
    assert "secret" not in sentence
    tracker.down.clear()
    assert finished(tracker, tmp_path, history) == ()
    assert losses(tracker) == LOSSES


def test_a_tracker_that_hangs_is_left_after_the_timeout():
    never = threading.Event()

    def connect():
        never.wait(20)
        raise ConnectionError

    writer = TrackingWriter(connect, RUN, 4)
    try:
        assert writer.drain(0.05) == ("run 'digits': nothing was sent yet",)
    finally:
        never.set()


def test_history_that_went_back_to_an_earlier_checkpoint_is_sent_once(tmp_path):
    tracker = MemoryTracker()
    early = write(tmp_path, 1, range(4))
    writer = writer_for(tracker)
    writer.set_stage(stage_of(tmp_path, write(tmp_path, 2, range(4, 9), early)))
    writer.start()
    while losses(tracker) != LOSSES[:2]:
        assert tracker.requests.acquire(timeout=5)
    writer.set_stage(stage_of(tmp_path, write(tmp_path, 3, range(4, 10), early), "FINISHED"))
    assert writer.drain(10) == ()
    assert losses(tracker) == LOSSES


def test_an_unreadable_step_log_is_named_and_keeps_nothing_else_from_being_sent(tmp_path, caplog):
    tracker = MemoryTracker()
    writer = writer_for(tracker)
    writer.set_stage(stage_of(tmp_path / "gone", [(1, 10)], "FINISHED", "teachers.wide"))
    writer.set_stage(stage_of(tmp_path, write(tmp_path, 1, range(10)), "FINISHED"))
    assert writer.drain(10) == (), "no later attempt could read it"
    assert "attempt-0001.jsonl` cannot be read" in caplog.text
    assert set(losses(tracker)) == set(LOSSES)


def test_a_run_that_fails_leaves_no_stage_running(tmp_path):
    tracker = MemoryTracker()
    writer = writer_for(tracker)
    done, student = tmp_path / "done", tmp_path / "student"
    writer.set_stage(stage_of(done, write(done, 1, range(10)), "FINISHED", "done"))
    writer.set_stage(stage_of(student, write(student, 1, range(10))))
    writer.finish("FAILED")
    assert writer.drain(10) == ()
    assert tracker.statuses == {
        "None/abc": "FAILED",
        "None/abc/0123:done": "FINISHED",
        "None/abc/0123:student": "FAILED",
    }
    assert losses(tracker) == LOSSES[:2]
    assert losses(tracker, "done") == LOSSES


def test_files_scores_and_the_student_reach_the_recipes_run(tmp_path):
    tracker = MemoryTracker()
    (tmp_path / "report.md").write_text("words")
    for _ in range(2):
        writer = writer_for(tracker)
        writer.add_files([tmp_path / "report.md"])
        writer.set_scores({"student/accuracy": 0.9})
        writer.set_student(None, None, "f00d")
        writer.finish("FAILED")
        assert writer.drain(10) == ()
    assert tracker.files[0] == ("None/abc", "report.md", "words")
    assert [(row.key, row.value) for _, row in tracker.rows] == [("student/accuracy", 0.9)]
    assert tracker.students[0] == "f00d"
    assert tracker.statuses == {"None/abc": "FAILED"}


def test_the_student_is_exported_only_when_no_stage_trains_any_more():
    tracker = MemoryTracker()
    writer = writer_for(tracker)
    writer.set_student(None, None, "f00d")
    writer.start()
    assert tracker.requests.acquire(timeout=5)
    writer.set_scores({"student/accuracy": 0.9})
    while not tracker.rows:
        assert tracker.requests.acquire(timeout=5)
    assert tracker.students == []
    writer.drain(10)
    assert tracker.students == ["f00d"]


def test_many_windows_go_in_batches_that_mlflow_takes(tmp_path):
    tracker = MemoryTracker()
    writer = writer_for(tracker, every=1)
    writer.set_stage(stage_of(tmp_path, write(tmp_path, 1, range(700)), "FINISHED"))
    assert writer.drain(20) == ()
    assert len(losses(tracker)) == 700


def test_parameters_are_flat_and_hold_no_credentials():
    recipe = {
        "student": {"model": {"hidden": [16]}, "weights": None},
        "tracking": {"uri": "http://ann:secret@host:5000/x"},
        "teachers": {},
    }
    assert flatten(recipe) == {
        "student.model.hidden": "[16]",
        "student.weights": "null",
        "tracking.uri": "http://***@host:5000/x",
        "teachers": "{}",
    }
    assert redact("http://ann:p@ss@host/x@y") == "http://***@host/x@y"
    assert (
        redact("postgresql://a:b@h/d and http://plain/") == "postgresql://***@h/d and http://plain/"
    )
    assert flatten({"a": {"b": True}}) == {"a.b": "true"}
    assert key("terms/täsk|" + "x" * 300) == ("terms/t_sk_" + "x" * 300)[:250]


def test_nothing_connects_before_the_start(tmp_path):
    tracker = MemoryTracker()
    writer = writer_for(tracker)
    writer.set_stage(stage_of(tmp_path))
    assert not tracker.requests.acquire(timeout=0.2)
    writer.start()
    assert tracker.requests.acquire(timeout=5)
    assert writer.drain(10) == ()
    assert writer.run_ids() == ["None/abc", "None/abc/0123:student"]

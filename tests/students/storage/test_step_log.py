"""The step log has each committed step once and nothing else."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from students.errors import CheckpointError
from students.storage.step_log import (
    Segments,
    StepLogWriter,
    extend_segments,
    read_committed,
    step_log_path,
)


def steps_of(folder, segments, after=()):
    return [row.step for row in read_committed(folder, segments, after)]


def test_rows_are_read_back_as_they_were_written(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        step_log.write_step(0, {"loss": 1.5, "terms/task": 0.25})
        step_log.write_epoch(0, 0, {"accuracy": 0.5})
        offset = step_log.commit_point()
    step, epoch = read_committed(tmp_path, [(1, offset)])
    assert (step.kind, step.step, step.epoch) == ("step", 0, -1)
    assert step.values == {"loss": 1.5, "terms/task": 0.25}
    assert (epoch.kind, epoch.epoch, epoch.values) == ("epoch", 0, {"accuracy": 0.5})
    assert epoch.time_ms >= step.time_ms > 1_600_000_000_000


def test_rows_after_the_last_commit_are_never_read(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        step_log.write_step(0, {"loss": 1.0})
        offset = step_log.commit_point()
        step_log.write_step(1, {"loss": 2.0})
        step_log.commit_point()
        with step_log.path.open("ab") as straggler:
            straggler.write(b'{"kind":"step","st')
    assert steps_of(tmp_path, [(1, offset)]) == [0]


def test_a_resumed_stage_has_each_step_once(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        for step in range(3):
            step_log.write_step(step, {"loss": 1.0})
        history = extend_segments([], 1, step_log.commit_point())
        step_log.write_step(3, {"loss": 1.0})
        step_log.commit_point()
    with StepLogWriter(tmp_path, 2) as step_log:
        step_log.write_step(3, {"loss": 1.0})
        history = extend_segments(history, 2, step_log.commit_point())
        step_log.write_step(4, {"loss": 1.0})
        history = extend_segments(history, 2, step_log.commit_point())
    assert [attempt for attempt, _ in history] == [1, 2]
    assert steps_of(tmp_path, history) == [0, 1, 2, 3, 4]


def test_a_commit_point_is_on_the_disk_though_the_process_is_killed(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from students.storage.step_log import StepLogWriter\n"
        "step_log = StepLogWriter(Path(sys.argv[1]), 1); step_log.write_step(0, {'loss': 1.0})\n"
        "print(step_log.commit_point(), flush=True); step_log.write_step(1, {'loss': 1.0})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9
    assert steps_of(tmp_path, [(1, int(done.stdout))]) == [0]


def test_values_that_are_not_finite_are_counted_and_left_out(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        step_log.write_step(0, {"loss": math.nan, "terms/task": math.inf, "samples": 64})
        offset = step_log.commit_point()
    (row,) = read_committed(tmp_path, [(1, offset)])
    assert row.values == {"samples": 64.0, "nonfinite": 2.0}
    assert "NaN" not in step_log_path(tmp_path, 1).read_text()


def test_an_attempt_cannot_write_into_the_step_log_of_another(tmp_path):
    StepLogWriter(tmp_path, 1).close()
    with pytest.raises(CheckpointError, match="its own step log"):
        StepLogWriter(tmp_path, 1)


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_segment_that_does_not_end_at_a_line_is_refused(tmp_path, shift):
    with StepLogWriter(tmp_path, 1) as step_log:
        step_log.write_step(0, {"loss": 1.0})
        offset = step_log.commit_point()
    with pytest.raises(CheckpointError, match="no end of a line"):
        list(read_committed(tmp_path, [(1, offset + shift)]))


def test_a_segment_without_its_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        list(read_committed(tmp_path, [(3, 10)]))


def test_a_first_commit_without_rows_adds_no_segment(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        assert extend_segments([], 1, step_log.commit_point()) == ()


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=6), restart=st.integers(0, 6))
def test_reading_in_parts_gives_what_reading_at_once_gives(tmp_path_factory, cuts, restart):
    folder = tmp_path_factory.mktemp("stage")
    history: Segments = ()
    parts, before, step = [], [], 0
    step_log = StepLogWriter(folder, 1)
    for number, rows in enumerate(cuts):
        if number == restart:
            step_log.close()
            step_log = StepLogWriter(folder, 2)
        for _ in range(rows):
            step_log.write_step(step, {"loss": float(step)})
            step += 1
        history = extend_segments(history, step_log.attempt, step_log.commit_point())
        parts += steps_of(folder, history, before)
        before = history
    step_log.close()
    assert parts == steps_of(folder, json.loads(json.dumps(history))) == list(range(step))


def test_a_changed_digit_in_a_row_is_refused_and_a_row_without_a_checksum_is_read(tmp_path):
    with StepLogWriter(tmp_path, 1) as step_log:
        step_log.write_step(0, {"loss": 1.25})
        step_log.write_step(1, {"loss": 1.5})
        segments = [(1, step_log.commit_point())]
    path = step_log_path(tmp_path, 1)
    path.write_text(path.read_text().replace("1.25", "1.35"))
    with pytest.raises(CheckpointError, match=r"is damaged in line 1 .* delete the stage's folder"):
        steps_of(tmp_path, segments)
    rows = '{"kind":"step","step":0,"time_ms":1,"values":{"loss":1.25}}\n'
    path.write_text(rows)
    assert steps_of(tmp_path, [(1, len(rows))]) == [0]

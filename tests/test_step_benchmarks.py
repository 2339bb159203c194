"""What the benchmarks of step, start-up and recovery compute from their measurements."""

from __future__ import annotations

import pytest

from benchmarks.recovery import seconds_to_recover
from benchmarks.startup import STUDENT, print_medians
from benchmarks.student_step import Turn
from benchmarks.student_step import lines as step_lines


def test_our_step_is_compared_with_the_faster_bare_loop_of_its_precision_within_a_round() -> None:
    turns = {
        "bare, fp32": [Turn(0.2), Turn(0.4)],
        "bare, channels last, fp32": [Turn(0.1), Turn(0.2)],
        "torch, fp32": [Turn(0.125, outside=0.0125), Turn(0.25, outside=0.025)],
        "bare, bf16": [Turn(0.05), Turn(0.05)],
        "bare, channels last, bf16": [Turn(0.06), Turn(0.06)],
        "torch, bf16": [Turn(0.05), Turn(0.05)],
    }
    table = {line[:28].strip(): line[28:].split() for line in step_lines(turns)}
    assert table["torch, fp32"] == ["683", "187.5", "80.0%", "10.0%"]
    assert table["torch, bf16"][2] == "100.0%"
    assert table["bare, fp32"][2] == "50.0%"


def test_a_start_is_reported_by_its_median_and_range(capsys: pytest.CaptureFixture[str]) -> None:
    found = {(STUDENT, "first step"): [9.0, 30.0, 12.0], ("check", ""): [0.8]}
    print_medians(found)
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{STUDENT}, first step")
    assert first.endswith("12.00 s   (9.00 to 30.00)")
    assert second.startswith("check ")


def test_recovery_ends_with_the_longest_pause_after_a_kill() -> None:
    assert seconds_to_recover(10.0, [10.5, 11.0, 15.0, 15.5]) == 5.0
    assert seconds_to_recover(10.0, [14.0, 15.0]) == 4.0

"""Claims about which part of a stage's steps other stages ran beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.report.collect_teaching import step_speed
from orchestrator.report.render_speed_summary import teaching_notes
from orchestrator.report.stage_overlap import share_beside, spans_of, stage_spans
from students.storage.attempts import begin_attempt
from students.storage.step_log import Row, StepLogWriter
from tests.orchestrator.report_samples import report, teaching


def steps(start: float, count: int, seconds: float = 1.0) -> list[Row]:
    values = {"step_seconds": seconds, "wait_seconds": 0.0, "samples": 64.0}
    ends = (start + seconds * (number + 1) for number in range(count))
    return [Row("step", number, int(1000 * end), values) for number, end in enumerate(ends)]


def test_a_stage_is_at_work_from_its_first_steps_begin_to_its_last_ones_end() -> None:
    assert spans_of(steps(10, 5)) == ((10_000, 15_000),)
    assert spans_of([]) == ()


def test_a_short_pause_is_work_and_a_long_one_is_none() -> None:
    assert spans_of([*steps(0, 2), *steps(4, 2)]) == ((0, 6000),)
    assert spans_of([*steps(0, 2), *steps(60, 2)]) == ((0, 2000), (60_000, 62_000))


@pytest.mark.parametrize(
    ("others", "share"),
    [
        ([], 0.0),
        ([steps(100, 5)], 0.0),
        ([steps(0, 1)], 0.0),  # beside the first step alone, which is not counted
        ([steps(3, 1)], 0.25),
        ([steps(3, 1), steps(3, 1)], 0.25),
        ([steps(0, 2), steps(4, 9)], 0.5),
        ([steps(-10, 90)], 1.0),
    ],
)
def test_the_share_is_that_of_all_steps_but_the_first(
    others: list[list[Row]], share: float
) -> None:
    assert share_beside(steps(0, 5), [spans_of(each) for each in others]) == pytest.approx(share)


def test_a_stage_whose_spool_is_gone_was_beside_nobody(tmp_path: Path) -> None:
    attempt = begin_attempt(tmp_path)
    with StepLogWriter(tmp_path, attempt) as step_log:
        step_log.write_step(0, {"step_seconds": 0.5})
        offset = step_log.commit_point()
    assert len(stage_spans(tmp_path, ((attempt, offset),))) == 1
    assert stage_spans(tmp_path / "gone", ((attempt, offset),)) == ()


def test_speeds_of_stages_beside_others_are_not_compared_and_the_words_say_so() -> None:
    student, untaught = steps(0, 5), steps(2, 5, seconds=0.5)
    beside = step_speed(student, [spans_of(untaught)])
    alone = step_speed(untaught)
    assert beside is not None
    assert alone is not None
    assert (beside.beside, beside.alone, alone.alone) == (0.625, False, True)
    told = teaching(student=beside, untaught=alone)
    assert told.of_untaught is None
    first, second, *_ = teaching_notes(report(teaching=told))
    assert "% of untaught" not in first
    assert second == (
        "Its speed is not compared with untaught: other stages ran beside 62 % of its own steps."
    )
    both = teaching(student=beside, untaught=step_speed(untaught, [spans_of(student)]))
    _, second, *_ = teaching_notes(report(teaching=both))
    assert second.endswith("62 % of its own steps and 100 % of the untaught student's.")

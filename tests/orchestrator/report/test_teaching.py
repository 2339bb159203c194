"""Claims about what a report says of the teaching: manners, parity, answers, speed, foretold."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.report.collect_teaching import step_speed
from orchestrator.report.render_speed_summary import teaching_notes
from orchestrator.report.render_tables import print_report, report_grids
from orchestrator.results.run_report import RunReport
from orchestrator.results.teaching_report import Prediction, StepSpeed, TeachingReport
from students.storage.step_log import Row
from tests import running
from tests.orchestrator.report_samples import report, teaching


def step(number: int, seconds: float, waited: float, samples: int = 64) -> Row:
    values = {"step_seconds": seconds, "wait_seconds": waited, "samples": float(samples)}
    return Row("step", number, 0, values)


def test_a_report_with_its_teaching_comes_back_from_its_json() -> None:
    before = report(teaching=teaching())
    assert RunReport.from_json(json.dumps(before.to_json())) == before


def test_the_json_tells_what_was_gained() -> None:
    told = report(teaching=teaching()).to_json()["teaching"]
    assert told["of_untaught"] == pytest.approx(0.9375)
    assert told["teachers"]["wide"]["gain"] == pytest.approx(2.6)
    assert told["teachers"]["cnn"]["gain"] is None


def test_a_report_of_an_older_version_is_read_without_it() -> None:
    plain = report().to_json()
    del plain["teaching"]
    assert RunReport.from_json(json.dumps(plain)).teaching is None


def test_the_table_shows_manner_gain_parity_and_answers_in_100_columns() -> None:
    console = Console(file=io.StringIO(), width=100)
    print_report(report(teaching=teaching()), console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    row = next(line for line in text.splitlines() if "channels-last" in line)
    for cell in ("wide", "2.6x", "6.0e-05", "99.8", "passed", "1,500", "250"):
        assert cell in text, row


def test_without_teachers_there_is_no_such_table() -> None:
    assert len(report_grids(report())) == 2
    assert len(report_grids(report(teaching=teaching(teachers={})))) == 2
    assert len(report_grids(report(teaching=teaching()))) == 3


def test_the_speed_is_told_beside_the_untaught_student() -> None:
    first, *_ = teaching_notes(report(teaching=teaching()))
    assert first == (
        "Taught, the student made 1,500 samples/s, 94 % of untaught, and waited for answers 4 % "
        "of that time."
    )


def test_what_was_foretold_stands_beside_what_came() -> None:
    *_, last = teaching_notes(report(teaching=teaching()))
    assert last == (
        "`check --measure` expected 1,550 samples/s (1,500 came), 8.0 s for 1 stage that ran "
        "(9.5 s came), 29.0 MB in the bank (30.0 MB came)."
    )


def test_nothing_is_told_of_a_measurement_that_says_nothing_of_this_run() -> None:
    foretold = Prediction(60.0, stages={"controls.other": 8.0})
    said = list(teaching_notes(report(teaching=teaching(foretold=foretold))))
    assert len(said) == 1


@pytest.mark.parametrize("absent", ["student", "untaught"])
def test_a_speed_that_is_not_known_is_left_out(absent: str) -> None:
    part = teaching(**{absent: None})
    assert part.of_untaught is None
    assert "% of untaught" not in " ".join(teaching_notes(report(teaching=part)))


def test_the_speed_is_that_of_all_steps_but_the_first() -> None:
    rows = [step(0, 9.0, 8.0), step(1, 0.5, 0.1), Row("epoch", 1, 0, {}, 0), step(2, 1.5, 0.3)]
    assert step_speed(rows) == StepSpeed(64.0, 0.2)


def test_one_step_has_no_speed() -> None:
    assert step_speed([step(0, 1.0, 0.0)]) is None
    assert step_speed([]) is None


def test_the_tracker_gets_the_figures_by_name() -> None:
    scores = report(teaching=teaching()).scores()
    assert scores["teaching/student/samples_per_second"] == 1500.0
    assert scores["teaching/of_untaught"] == pytest.approx(0.9375)
    assert scores["teaching/wide/gain"] == pytest.approx(2.6)
    assert "teaching/cnn/gain" not in scores
    assert replace(TeachingReport()).scores() == {}


def test_a_run_tells_who_computed_what_and_how_fast(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    told = running.undisturbed(tmp_path_factory).object["teaching"]
    assert set(told["teachers"]) == {"wide", "deep"}
    for each in told["teachers"].values():
        assert "fp32" in each["inference"]
        assert each["read"] + each["asked"] == 3 * 256, "three epochs of four batches of 64"
    assert told["student"]["samples_per_second"] > 0
    assert 0 <= told["student"]["wait_share"] <= 1
    assert told["bytes"] > 0
    assert told["foretold"] is None


def test_a_measurement_before_the_run_stands_in_its_report(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    from orchestrator.profiling.measure import measure
    from tests import small

    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path, without=["student"])
    overrides = (*running.IN_PROCESS, running.EACH_STEP)
    measured = measure(
        small.loaded(tmp_path, *overrides), home=home, say=lambda _: None, seconds=0.01
    )
    told = running.finished(tmp_path, home).object["teaching"]["foretold"]
    assert told["samples_per_second"] == measured.stages[0].samples_per_second
    assert list(told["stages"]) == ["student"]

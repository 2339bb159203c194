"""Claims about how a run's student was taught, from real runs; about the speed of a stage's steps,
and about the time that other stages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.report.collect_teaching import spans_of, stage_spans, step_speed
from orchestrator.results.teaching_report import StepSpeed
from students.storage.attempts import begin_attempt
from students.storage.step_log import Row, StepLogWriter
from tests import running


def test_a_run_records_inference_answers_and_speed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    teaching = running.undisturbed(tmp_path_factory).object["teaching"]
    assert set(teaching["teachers"]) == {"wide", "deep"}
    for each in teaching["teachers"].values():
        assert "fp32" in each["inference"]
        assert each["verdict"].startswith("passed")
        assert each["read"] + each["asked"] == 3 * 256, "three epochs of four batches of 64"
    assert teaching["student"]["samples_per_second"] > 0
    assert 0 <= teaching["student"]["wait_share"] <= 1
    assert teaching["bytes"] > 0
    assert teaching["prediction"] is None


def test_a_measurement_before_the_run_is_in_its_report(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    from orchestrator.deep_check.deep_check import checked_plan
    from orchestrator.home.store import Store
    from orchestrator.profiling.measure import measure
    from tests import small

    done = running.undisturbed(tmp_path_factory)
    home = done.copied(tmp_path, without=["student"])
    loaded = small.loaded(tmp_path, *running.IN_PROCESS, running.EACH_STEP)
    store, cluster = Store(home), loaded.recipe.cluster
    measured = measure(*checked_plan(loaded, store), store, cluster, say=str, seconds=0.01)
    predicted = running.finished(tmp_path, home).object["teaching"]["prediction"]
    assert predicted["seconds"] == measured.seconds
    assert predicted["samples_per_second"] == measured.stages[0].samples_per_second
    assert predicted["stages"] == {"student": measured.stages[0].seconds}
    assert predicted["bytes"] == (measured.bank and measured.bank.bytes)


def steps(start: float, count: int, seconds: float = 1.0) -> list[Row]:
    values = {"step_seconds": seconds, "wait_seconds": 0.0, "samples": 64.0}
    ends = (start + seconds * (number + 1) for number in range(count))
    return [Row("step", number, int(1000 * end), values) for number, end in enumerate(ends)]


def step(number: int, seconds: float, waited: float) -> Row:
    return Row(
        "step", number, 0, {"step_seconds": seconds, "wait_seconds": waited, "samples": 64.0}
    )


def test_the_speed_is_that_of_all_steps_but_the_first() -> None:
    rows = [step(0, 9.0, 8.0), step(1, 0.5, 0.1), Row("epoch", 1, 0, {}, 0), step(2, 1.5, 0.3)]
    assert step_speed(rows) == StepSpeed(64.0, 0.2)


def test_one_step_has_no_speed() -> None:
    assert step_speed([step(0, 1.0, 0.0)]) is None
    assert step_speed([]) is None


def test_a_stage_runs_from_the_beginning_of_its_first_step_to_the_end_of_its_last() -> None:
    assert spans_of(steps(10, 5)) == ((10_000, 15_000),)
    assert spans_of([]) == ()


def test_a_short_pause_counts_as_running_and_a_long_one_does_not() -> None:
    assert spans_of([*steps(0, 2), *steps(4, 2)]) == ((0, 6000),)
    assert spans_of([*steps(0, 2), *steps(60, 2)]) == ((0, 2000), (60_000, 62_000))


@pytest.mark.parametrize(
    ("others", "share"),
    [
        ([], 0.0),
        ([steps(100, 5)], 0.0),
        ([steps(0, 1)], 0.0),  # during the first step only, which is not counted
        ([steps(3, 1)], 0.25),
        ([steps(3, 1), steps(3, 1)], 0.25),
        ([steps(0, 2), steps(4, 9)], 0.5),
        ([steps(-10, 90)], 1.0),
    ],
)
def test_the_overlap_is_a_share_of_all_steps_but_the_first(
    others: list[list[Row]], share: float
) -> None:
    speed = step_speed(steps(0, 5), [spans_of(each) for each in others])
    assert speed is not None
    assert speed.overlap == pytest.approx(share)
    assert speed.comparable == (share == 0)


def test_a_stage_whose_step_log_is_gone_never_ran(tmp_path: Path) -> None:
    attempt = begin_attempt(tmp_path)
    with StepLogWriter(tmp_path, attempt) as log:
        log.write_step(0, {"step_seconds": 0.5})
        offset = log.commit_point()
    assert len(stage_spans(tmp_path, ((attempt, offset),))) == 1
    assert stage_spans(tmp_path / "gone", ((attempt, offset),)) == ()

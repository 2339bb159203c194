"""Claims about what a stage is expected to take: what is new is computed once, the rest read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.planning.stage import Stage
from orchestrator.profiling.measured_plan import ExpectedStage
from orchestrator.profiling.short_run import StageTiming
from orchestrator.profiling.stage_estimate import (
    TimedStage,
    Workload,
    expected_stage,
    run_seconds,
    workload,
)
from students.transfer_sets.catalog import load_transfer_set
from tests import small

SAMPLES = 4 * 64 * 3
"""249 samples in batches of 64, three epochs."""
TIMING = StageTiming(
    start_seconds=5.0,
    rate=100.0,
    wait_share=0.0,
    epoch_seconds=0.5,
    total_seconds=None,
    steps=9,
    counted=8,
)
WORK = Workload(samples=1000, epochs=4, validation=100, test=200)


@pytest.fixture
def alone(tmp_path: Path) -> Stage:
    """A stage without teachers."""
    return small.planned(tmp_path).stage("controls.untaught")


def taught(
    folder: Path, *overrides: str, repeats: int = 1, bank: bool = True, uncached: str = ""
) -> dict[str, ExpectedStage]:
    """The student's stages, with two teachers, by title."""
    plan = small.planned(folder, *overrides, repeats=repeats)
    data = load_transfer_set(plan.data.transfer_set, folder=folder, cache=folder / "cache")
    read = replace(TIMING, rate=1000.0, start_seconds=1.0) if bank else None
    timing, stored = TimedStage(TIMING, read, frozenset(filter(None, [uncached]))), set()
    return {
        stage.title: expected_stage(stage, workload(stage, data), timing, stored)
        for stage in plan.stages
        if stage.name == "student"
    }


def test_each_answer_is_computed_once_for_each_view(tmp_path: Path) -> None:
    found = taught(tmp_path, "transfer_set.views=1")["student"]
    assert found.asked == 2 * 249
    assert found.read == 2 * SAMPLES - found.asked


def test_where_every_epoch_has_its_own_view_all_is_computed(tmp_path: Path) -> None:
    every = taught(tmp_path, "transfer_set.views=all")["student"]
    none = taught(tmp_path, "transfer_set.augment=none")["student"]
    assert every.asked == 3 * none.asked


def test_the_second_seed_finds_what_the_first_has_stored(tmp_path: Path) -> None:
    found = taught(tmp_path, repeats=2)
    assert found["student"].asked > 0
    assert found["student#2"].asked == 0
    assert found["student#2"].seconds < found["student"].seconds - 4.0, "nor are teachers started"


def test_without_a_bank_every_seed_asks_for_everything(tmp_path: Path) -> None:
    found = taught(tmp_path, repeats=2, bank=False)
    assert found["student"].asked == found["student#2"].asked == 2 * SAMPLES
    assert found["student"].read == 0


def test_a_teacher_whose_answers_are_not_kept_is_asked_every_time(tmp_path: Path) -> None:
    found = taught(tmp_path, "transfer_set.views=1", repeats=2, uncached="deep")
    assert found["student"].asked == 249 + SAMPLES
    assert found["student#2"].asked == SAMPLES


def test_a_stage_takes_its_start_its_steps_and_its_validations(alone: Stage) -> None:
    found = expected_stage(alone, WORK, TimedStage(TIMING), set())
    assert found.seconds == pytest.approx(5.0 + 1000 / 100 + 4 * 0.5 + 100 / 300)
    assert found.samples_per_second == 100.0, "a rate is that of the steps"


def test_the_test_part_is_evaluated_at_the_end_of_the_run(alone: Stage) -> None:
    assert expected_stage(alone, WORK, TimedStage(TIMING), set()).test_seconds == 200 / 300


def test_validation_is_estimated_where_no_epoch_has_ended(alone: Stage) -> None:
    timed = TimedStage(replace(TIMING, epoch_seconds=None))
    found = expected_stage(alone, WORK, timed, set())
    assert found.seconds == pytest.approx(5.0 + 1000 / 100 + (4 * 100 + 100) / 300)


def test_a_stage_that_came_to_its_end_takes_what_it_took(alone: Stage) -> None:
    timed = TimedStage(replace(TIMING, total_seconds=1.5))
    assert expected_stage(alone, WORK, timed, set()).seconds == 1.5


def expected(seconds: float, test: float = 0.0) -> ExpectedStage:
    return ExpectedStage("any", "any", seconds, test)


def test_the_whole_run_is_its_longest_chain_or_the_work_that_the_cores_do(tmp_path: Path) -> None:
    wide, deep, student, _ = small.planned(tmp_path).stages
    one, other = (wide, expected(10.0, 1.0), 1), (deep, expected(4.0), 1)
    last = (student, expected(6.0, 2.0), 1)
    assert run_seconds([one, other, last], 100) == 16 + 2, "tests follow, side by side"
    assert run_seconds([one, other, last], 1) == 20 + 3
    assert run_seconds([one, other, last], 100, parallel=False) == 20 + 3
    assert run_seconds([last], 2) == 6 + 2, "what is stored is not waited for"
    more = (student, expected(6.0), 8)
    assert run_seconds([more], 2) == 6, "more threads than cores take no longer"
    assert run_seconds([], 2) == 0

"""The comparison of schedules: equal budgets, seeds of their own, and what may be claimed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from scipy.stats import ttest_rel

import stillhouse
from benchmarks.ensemble_comparison.training import Score
from benchmarks.ensemble_comparison.tuning import Budget, MethodResult
from benchmarks.schedule_comparison.arms import DIRECT, Arm, arms
from benchmarks.schedule_comparison.holm import corrected, p_value
from benchmarks.schedule_comparison.page import RegimeResults, claims, page
from benchmarks.schedule_comparison.regimes import ScheduleRegime, regimes
from benchmarks.schedule_comparison.training import ScheduleTraining
from benchmarks.schedules import parse_arguments, stored_results, train_missing
from orchestrator.report.compare_seeds import paired
from tests.golden.cases import golden

REGIMES = regimes(Path("/nowhere"))
EVERY = pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))


def result(name: str, *tests: float) -> MethodResult:
    scores = tuple(Score(0.9, nll=0.3, test=test, step=0.001) for test in tests)
    return MethodResult(name, (), "T 4, weight 0.9", scores)


@EVERY
def test_every_arm_has_as_many_trials_and_is_compared_with_one_that_is_there(
    regime: ScheduleRegime,
) -> None:
    every = {arm.name: arm for arm in arms(regime)}
    assert {len(arm.settings(regime)) for arm in every.values()} == {len(regime.grid)}
    assert {arm.against for arm in every.values()} <= {"", *every}
    assert {"untaught", "direct"} <= set(every)


@EVERY
def test_every_setting_is_a_valid_recipe(regime: ScheduleRegime, tmp_path: Path) -> None:
    path = ScheduleTraining(tmp_path, print).write_recipe(regime)
    for arm in arms(regime):
        for setting in arm.settings(regime):
            loaded = stillhouse.load_recipe(path, setting.overrides)
            assert loaded.recipe.student.train.threads == 1


def test_on_small_regimes_all_paths_over_three_sizes_are_compared() -> None:
    # As many as over the three optional sizes of the published paths, of which one is direct.
    count = golden("takd_paths").expected["count"]
    for name in ("digits", "mnist"):
        paths = [arm.name for arm in arms(REGIMES[name]) if arm.name.startswith("by ")]
        assert len(paths) == len(REGIMES[name].sizes) ** 2 - 2 == count - 1


def test_holms_correction_is_that_of_an_example_by_hand() -> None:
    # 4 x 0.01, 3 x 0.02, then 2 x 0.03 and 1 x 0.04, where the larger one before counts.
    assert corrected([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert corrected([0.9, 0.5]) == [1.0, 1.0]
    assert corrected([]) == []


def test_a_p_value_is_that_of_the_paired_t_test() -> None:
    first, second = [0.91, 0.93, 0.90, 0.94, 0.92], [0.90, 0.90, 0.91, 0.92, 0.89]
    assert p_value(paired(first, second)) == pytest.approx(ttest_rel(first, second).pvalue)
    assert p_value(paired([0.5, 0.5], [0.5, 0.5])) == 1
    assert p_value(paired([0.75, 0.5], [0.5, 0.25])) == 0


def test_a_sign_is_claimed_only_after_the_correction_over_all_regimes() -> None:
    regime = REGIMES["cifar"]
    found = {
        "untaught": result("untaught", 0.500, 0.510, 0.490),
        "direct": result("direct", 0.600, 0.611, 0.591),
        "by 4": result("by 4", 0.610, 0.620, 0.602),
    }
    one = RegimeResults(regime, found)
    alone = {claim.arm.name: claim for claim in claims([one])}
    assert set(alone) == {"direct", "by 4"}
    assert alone["direct"].sign == 1 and alone["by 4"].sign == 1
    many = [one, *(RegimeResults(replace(regime, name=str(n)), found) for n in range(30))]
    after = {(claim.regime, claim.arm.name): claim for claim in claims(many)}
    assert after["cifar", "direct"].sign == 1
    assert after["cifar", "by 4"].sign == 0, "62 differences were looked at"
    text = "\n".join(page([one], Budget(3)))
    assert "Better: `direct` (+10.07 against `untaught`), `by 4` (+1.00 against `direct`)." in text
    assert "Not compared: `by 6-4`, `by 8-6-4`." in text


@pytest.fixture(scope="module")
def small() -> ScheduleRegime:
    """Digits, with fewer epochs and one setting."""
    regime = REGIMES["digits"]
    recipe = copy.deepcopy(regime.recipe)
    recipe["teachers"]["large"]["train"]["epochs"] = 6
    recipe["student"]["train"]["epochs"] = 20
    return replace(regime, recipe=recipe, tuning_seeds=1, grid=((4.0, 0.9),))


def arm_of(regime: ScheduleRegime, name: str) -> Arm:
    (found,) = (arm for arm in arms(regime) if arm.name == name)
    return found


def test_each_seed_has_assistants_of_its_own_and_all_have_one_teacher(
    small: ScheduleRegime, tmp_path: Path
) -> None:
    training = ScheduleTraining(tmp_path, print)
    path = training.write_recipe(small)
    setting, *_ = arm_of(small, "by 32").settings(small)
    stages: dict[str, set[str]] = {}
    with stillhouse.Session(tmp_path) as session:
        for seed in (0, 1):
            of_seed = [*setting.overrides, f"student.train.seed={seed}", f"seed={seed}"]
            for stage in stillhouse.plan(stillhouse.load_recipe(path, of_seed), session).stages:
                stages.setdefault(stage.name, set()).add(stage.digest)
    assert {name: len(digests) for name, digests in stages.items()} == {
        "teachers.large": 1, "assistants.1": 2, "student": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_an_arm_is_tuned_trained_and_stored_and_its_mean_of_generations_scored(
    small: ScheduleRegime, tmp_path: Path
) -> None:
    budget, console = Budget(seeds=2), Console(quiet=True)
    names = (DIRECT, "3 generations", "mean of 3")
    plan = [(small, arm_of(small, name)) for name in names]
    train_missing(plan, tmp_path, budget, console)
    (found,) = stored_results([small], tmp_path, budget)
    assert set(found.results) == set(names)
    last, mean = (found.results[name] for name in names[1:])
    assert last.chosen == mean.chosen == "T 4, weight 0.9"
    assert all(0 < score.test < 1 for score in (*last.scores, *mean.scores))
    assert [score.nll for score in last.scores] != [score.nll for score in mean.scores]
    assert parse_arguments(["/data", "--show"]).show

"""The comparison of distillation methods: equal budgets, choice on validation, what is printed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stillhouse
from benchmarks import ensembles
from benchmarks.ensemble_comparison.comparison import Comparison
from benchmarks.ensemble_comparison.methods import CHOICES, METHODS, Method, Setting
from benchmarks.ensemble_comparison.overview import overview, plot
from benchmarks.ensemble_comparison.page import page
from benchmarks.ensemble_comparison.regimes import Regime, regimes
from benchmarks.ensemble_comparison.step_times import relative_costs
from benchmarks.ensemble_comparison.table import edge_choices, regime_section, sentences
from benchmarks.ensemble_comparison.training import Score, StudentTraining
from benchmarks.ensemble_comparison.tuning import (
    FIRST_TUNING_SEED,
    Budget,
    MethodResult,
    ResultStore,
    run_comparison,
    tune_and_train,
)
from orchestrator.errors import RecipeProblems
from students.errors import TrainingError
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits

REGIMES = regimes(Path("/nowhere"))


def score(validation: float, *, nll: float = 0.3, test: float = 0.5) -> Score:
    return Score(validation, nll, test, step=0.001)


def result(name: str, *tests: float, problem: str = "") -> MethodResult:
    return MethodResult(
        name, (), "lr 0.1, wide", tuple(score(0.9, test=test) for test in tests), problem
    )


@pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))
def test_every_method_has_as_many_trials_as_the_untaught_student(regime: Regime) -> None:
    counts = {name: len(method.settings(regime)) for name, method in METHODS.items()}
    assert set(counts.values()) == {len(regime.rates) * len(regime.decays) * CHOICES}
    assert len(
        {setting.overrides for w in METHODS.values() for setting in w.settings(regime)}
    ) == sum(counts.values())


@pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))
def test_every_setting_is_a_valid_recipe(regime: Regime, tmp_path: Path) -> None:
    path = StudentTraining(tmp_path, print).write_recipe(regime)
    refused = {}
    for name, method in METHODS.items():
        if name in regime.left_out:
            continue
        for setting in method.settings(regime)[:CHOICES]:
            try:
                stillhouse.load_recipe(path, setting.overrides)
            except RecipeProblems as problems:
                refused[f"{name}, {setting.label}"] = str(problems)
    assert refused == {}


def test_settings_are_chosen_on_validation_and_never_on_test() -> None:
    settings = [Setting(label, ()) for label in "abc"]
    by_label = {
        "a": score(0.90, test=0.99),
        "b": score(0.95, nll=0.2, test=0.10),
        "c": score(0.95, nll=0.1, test=0.05),
    }

    def train(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        return (by_label[setting.label],) * seeds

    # Of b and c, which are equally accurate, c has the lower validation loss.
    assert tune_and_train(settings, train, seeds=5, tuning=2).chosen == "c"


def test_tuning_and_comparison_have_different_seeds() -> None:
    taught: dict[str, set[int]] = {"chose": set(), "compared": set()}

    def train(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        taught["chose" if seeds == 3 else "compared"] |= set(range(first, first + seeds))
        return (score(0.9),) * seeds

    tune_and_train([Setting("a", ()), Setting("b", ())], train, seeds=5, tuning=3)
    assert taught == {
        "chose": {FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1, FIRST_TUNING_SEED + 2},
        "compared": {0, 1, 2, 3, 4},
    }


def test_a_setting_whose_training_fails_is_the_worst() -> None:
    def train(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        if setting.label == "wild":
            raise TrainingError("gradients were not finite")
        return (score(0.11),) * seeds

    result = tune_and_train([Setting("wild", ()), Setting("tame", ())], train, seeds=2, tuning=1)
    assert result.chosen == "tame"
    assert result.tried[0].validation == 0


@pytest.fixture(scope="module")
def small() -> Regime:
    """Digits with one short teacher and a short student."""
    regime = REGIMES["digits"]
    recipe = copy.deepcopy(regime.recipe)
    recipe["teachers"] = {"wide": recipe["teachers"]["wide"]}
    recipe["teachers"]["wide"]["train"]["epochs"] = 1
    recipe["student"]["train"]["epochs"] = 2
    return replace(regime, recipe=recipe, rates=(0.1,), tuning_seeds=1)


def test_a_comparison_resumes_and_names_what_is_refused(small: Regime, tmp_path: Path) -> None:
    refused = Method(
        "refused", "combining", "", lambda regime: [("as given", {"ensemble.mean": "odd"})]
    )
    methods: Sequence[Method] = [METHODS["untaught"], METHODS["logit_l2"], refused]
    records, budget = ResultStore(tmp_path / "ensembles"), Budget(seeds=2, trials=1)
    training, taught = StudentTraining(tmp_path, print), []

    first = list(run_comparison([small], methods, training, records, budget, taught.append))
    assert [each.method for _, each in first] == ["untaught", "logit_l2", "refused"]
    assert [len(each.scores) for _, each in first] == [2, 2, 0]
    assert "ensemble.mean" in first[-1][1].problem
    assert taught == [1, 2, 1, 2]

    again = list(run_comparison([small], methods, training, records, budget, taught.append))
    assert again == first
    assert len(taught) == 4, "nothing was trained again"


def test_a_result_that_another_process_computes_is_skipped(small: Regime, tmp_path: Path) -> None:
    records = ResultStore(tmp_path)
    held = records.claim(METHODS["untaught"], small)
    assert held is not None
    with held:
        training = StudentTraining(tmp_path, print)
        assert not list(
            run_comparison([small], [METHODS["untaught"]], training, records, Budget(), print)
        )


def test_step_times_are_compared_within_a_round() -> None:
    turns = {"untaught": [1.0, 2.0], "uniform": [2.0, 4.0], "confidence": [2.5, 5.0]}
    found = relative_costs(turns)
    assert found["confidence"].of_uniform == pytest.approx(1.25)
    assert found["confidence"].share == pytest.approx(0.6)
    assert found["uniform"].share == pytest.approx(0.5)
    assert relative_costs({"confidence": [1.0]}) == {}


def example_results() -> dict[str, MethodResult]:
    return {
        "untaught": result("untaught", 0.80, 0.81, 0.80),
        "single": result("single", 0.905, 0.905, 0.906),
        "uniform": result("uniform", 0.90, 0.90, 0.901),
        "random": result("random", 0.91, 0.89, 0.90),
        "noise": result("noise", 0.85, 0.85, 0.851),
        "adaptive": result("adaptive", problem="refused: it is not there yet"),
        "relations": result("relations", problem="left out: too long"),
    }


def test_a_row_shows_paired_differences_with_interval_and_wins() -> None:
    table = {
        line.split(" | ")[0].strip("| "): line
        for line in regime_section(REGIMES["digits"], example_results(), {}, {"wide": 0.98})
    }
    assert "Test accuracy of the teachers: wide 98.00 %." in table
    assert "80.33 ± 0.58" in table["untaught"]
    assert "+0.50 (+0.50 to +0.50), 3 of 3" in table["single"]
    assert "-5.00" in table["noise"] and "0 of 3" in table["noise"]
    assert "adaptive" not in table, "it has no result"


def test_a_rule_that_changes_few_targets_is_named() -> None:
    idle = replace(score(0.9), changed=0.01)
    results = {
        **example_results(),
        "correct_only": MethodResult("correct_only", (), "lr 0.1", (idle,) * 3),
    }
    said = "\n".join(sentences(results))
    assert (
        "fewer than 5 % of the samples, and so are nearly the uniform mean: `correct_only`" in said
    )
    assert "nearly the uniform mean" not in "\n".join(sentences(example_results()))


def test_choices_of_an_extreme_learning_rate_are_counted() -> None:
    (said,) = edge_choices(replace(REGIMES["digits"], rates=(0.1, 0.2)), example_results())
    assert said == "Of 5 methods, 0 chose the largest learning rate tried and 5 the smallest."
    assert not list(edge_choices(REGIMES["cifar-same"], example_results())), (
        "there is only one rate"
    )


def test_the_sentences_name_methods_without_a_significant_gain() -> None:
    said = "\n".join(sentences(example_results()))
    assert "All 4 methods with teachers are better than the untaught student." in said
    assert "Better than the uniform mean: `single` (+0.50)." in said
    assert "Worse than the uniform mean: `noise` (-5.00)." in said
    assert "No significant difference from the uniform mean: `random` (-0.03)." in said
    assert (
        "The student of the best single teacher (lr 0.1, wide) is 0.50 points above the ensemble's "
        "(+0.50 to +0.50)." in said
    )
    assert "`adaptive` is not in the table: refused: it is not there yet." in said
    assert "Left out for lack of time: `relations`." in said


def two_regimes() -> dict[str, dict[str, MethodResult]]:
    every = example_results()
    return {"here": every, "there": {name: every[name] for name in ("untaught", "noise")}}


def test_the_overview_marks_significant_differences_in_each_regime() -> None:
    results_by_regime = two_regimes()
    table = {line.split(" | ")[0].strip("| "): line for line in overview(results_by_regime)}
    assert table["noise"] == "| noise | **+4.70** ↓ | **+4.70** | 0, 1 |"
    assert table["single"] == "| single | **+10.20** ↑ |  | 1, 0 |"
    assert table["uniform"] == "| uniform | **+9.70** |  |  |", "not compared with itself"
    assert "relations" not in table and "untaught" not in table
    assert not list(overview({}))


def test_the_figure_shows_each_methods_interval_in_the_panel_of_its_regime() -> None:
    results_by_regime = two_regimes()
    here, there = plot(results_by_regime).axes
    assert [label.get_text() for label in here.get_yticklabels()] == [
        *("untaught", "single", "random", "noise")
    ]
    dots = [line.get_xydata() for line in here.lines if line.get_marker() == "o"]
    assert np.concatenate(dots) == pytest.approx(
        np.array([[-9.7, 0], [0.5, 1], [-0.033, 2], [-5.0, 3]]), abs=0.01
    )
    assert len(there.lines) == 1, "without a uniform mean there is only the line of zero"


def test_the_page_has_all_results_and_says_what_is_missing(small: Regime, tmp_path: Path) -> None:
    comparison = Comparison(
        (small, REGIMES["mnist-all"]),
        (METHODS["untaught"], METHODS["uniform"]),
        Budget(2, 1),
        tmp_path,
    )
    known = {"digits": {"untaught": result("untaught", 0.8, 0.81)}}
    text = "\n".join(page(comparison, known, tmp_path / "shown.png"))
    assert "| uniform | combining | the mean of the teachers' softened distributions |" in text
    assert "](shown.png)" in text and str(tmp_path) not in text
    assert "--seeds 2 --trials 1" in text
    assert "## `digits`: 8x8 digits, 10 %" in text and "80.50 ± 0.71" in text
    assert "Not compared yet: `uniform`." in text
    assert "Step times were not measured in this regime." in text
    comparison.store_steps(small, {"uniform": [0.0012, 0.001, 0.0011]})
    later = "\n".join(page(comparison, known))
    assert "A `uniform` step takes 1.1 ms (median of 3 rounds)." in later
    assert text.rstrip().endswith("Not compared yet."), "the other regime"


def test_the_command_line_accepts_every_regime_and_method() -> None:
    said = ensembles.parse_arguments(
        ["/data", "--regimes", "digits", "--methods", "uniform", "--trials", "1"]
    )
    assert said.regimes == ["digits"] and said.methods == ["uniform"] and said.seeds == 5
    assert ensembles.parse_arguments(["/data"]).regimes == list(REGIMES)


@pytest.mark.parametrize("name", ["mnist-same", "cifar-same"])
def test_teachers_of_the_same_samples_have_the_students_samples(name: str) -> None:
    recipe = REGIMES[name].recipe
    fraction = recipe["transfer_set"]["fraction"]
    assert {each["train"]["fraction"] for each in recipe["teachers"].values()} == {fraction}
    data = load_transfer_set(
        Digits(fraction=fraction, validation=270), folder=Path(), cache=Path("/nowhere")
    )
    assert data.student_ids.tolist() == data.teacher_ids(fraction).tolist()

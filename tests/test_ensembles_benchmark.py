"""Claims about the comparison of ways of teaching: equal budgets, who chooses, what is printed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stillhouse
from benchmarks import ensembles
from benchmarks.teaching.comparison import Comparison
from benchmarks.teaching.contest import TUNING, Budget, Found, Records, contend, course
from benchmarks.teaching.overview import overview, picture
from benchmarks.teaching.page import page
from benchmarks.teaching.regimes import Regime, regimes
from benchmarks.teaching.school import School, Score
from benchmarks.teaching.steps import costs
from benchmarks.teaching.table import edges, lines, sentences
from benchmarks.teaching.ways import CHOICES, WAYS, Setting, Way
from orchestrator.errors import RecipeProblems
from students.errors import TrainingError
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Digits

REGIMES = regimes(Path("/nowhere"))


def score(validation: float, *, nll: float = 0.3, test: float = 0.5) -> Score:
    return Score(validation, nll, test, step=0.001)


def found(name: str, *tests: float, problem: str = "") -> Found:
    return Found(name, (), "lr 0.1, wide", tuple(score(0.9, test=test) for test in tests), problem)


@pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))
def test_every_way_has_as_many_trials_as_the_untaught_student(regime: Regime) -> None:
    counts = {name: len(way.settings(regime)) for name, way in WAYS.items()}
    assert set(counts.values()) == {len(regime.rates) * len(regime.decays) * CHOICES}
    assert len({setting.overrides for w in WAYS.values() for setting in w.settings(regime)}) == sum(
        counts.values()
    )


@pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))
def test_every_setting_is_a_recipe_that_may_be_run(regime: Regime, tmp_path: Path) -> None:
    path = School(tmp_path, print).written(regime)
    refused = {}
    for name, way in WAYS.items():
        if name in regime.left_out:
            continue
        for setting in way.settings(regime)[:CHOICES]:
            try:
                stillhouse.load_recipe(path, setting.overrides)
            except RecipeProblems as problems:
                refused[f"{name}, {setting.label}"] = str(problems)
    assert refused == {}


def test_the_validation_part_chooses_and_the_test_part_never_does() -> None:
    settings = [Setting(label, ()) for label in "abc"]
    by_label = {
        "a": score(0.90, test=0.99),
        "b": score(0.95, nll=0.2, test=0.10),
        "c": score(0.95, nll=0.1, test=0.05),
    }

    def teach(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        return (by_label[setting.label],) * seeds

    # Of b and c, which are equally right, c has the lower validation loss.
    assert contend(settings, teach, seeds=5, tuning=2).chosen == "c"


def test_no_student_both_chooses_and_is_compared() -> None:
    taught: dict[str, set[int]] = {"chose": set(), "compared": set()}

    def teach(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        taught["chose" if seeds == 3 else "compared"] |= set(range(first, first + seeds))
        return (score(0.9),) * seeds

    contend([Setting("a", ()), Setting("b", ())], teach, seeds=5, tuning=3)
    assert taught == {"chose": {TUNING, TUNING + 1, TUNING + 2}, "compared": {0, 1, 2, 3, 4}}


def test_a_setting_whose_training_breaks_off_is_the_worst() -> None:
    def teach(setting: Setting, first: int, seeds: int) -> tuple[Score, ...]:
        if setting.label == "wild":
            raise TrainingError("gradients were not finite")
        return (score(0.11),) * seeds

    result = contend([Setting("wild", ()), Setting("tame", ())], teach, seeds=2, tuning=1)
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


def test_a_contest_goes_on_where_it_was_and_names_what_is_refused(
    small: Regime, tmp_path: Path
) -> None:
    refused = Way(
        "refused", "combining", "", lambda regime: [("as told", {"ensemble.mean": "odd"})]
    )
    ways: Sequence[Way] = [WAYS["untaught"], WAYS["logit_l2"], refused]
    records, budget = Records(tmp_path / "ensembles"), Budget(seeds=2, trials=1)
    school, taught = School(tmp_path, print), []

    first = list(course([small], ways, school, records, budget, taught.append))
    assert [each.way for _, each in first] == ["untaught", "logit_l2", "refused"]
    assert [len(each.scores) for _, each in first] == [2, 2, 0]
    assert "ensemble.mean" in first[-1][1].problem
    assert taught == [1, 2, 1, 2]

    again = list(course([small], ways, school, records, budget, taught.append))
    assert again == first
    assert len(taught) == 4, "nobody was taught again"


def test_what_another_process_works_on_is_left_to_it(small: Regime, tmp_path: Path) -> None:
    records = Records(tmp_path)
    held = records.claim(WAYS["untaught"], small)
    assert held is not None
    with held:
        school = School(tmp_path, print)
        assert not list(course([small], [WAYS["untaught"]], school, records, Budget(), print))


def test_a_step_is_compared_with_those_of_its_own_round() -> None:
    turns = {"untaught": [1.0, 2.0], "uniform": [2.0, 4.0], "confidence": [2.5, 5.0]}
    found = costs(turns)
    assert found["confidence"].of_uniform == pytest.approx(1.25)
    assert found["confidence"].share == pytest.approx(0.6)
    assert found["uniform"].share == pytest.approx(0.5)
    assert costs({"confidence": [1.0]}) == {}


def canned() -> dict[str, Found]:
    return {
        "untaught": found("untaught", 0.80, 0.81, 0.80),
        "single": found("single", 0.905, 0.905, 0.906),
        "uniform": found("uniform", 0.90, 0.90, 0.901),
        "random": found("random", 0.91, 0.89, 0.90),
        "noise": found("noise", 0.85, 0.85, 0.851),
        "adaptive": found("adaptive", problem="refused: it is not there yet"),
        "relations": found("relations", problem="left out: too long"),
    }


def test_a_row_shows_paired_differences_with_interval_and_wins() -> None:
    table = {
        line.split(" | ")[0].strip("| "): line
        for line in lines(REGIMES["digits"], canned(), {}, {"wide": 0.98})
    }
    assert "Teachers on the test part: wide 98.00 %." in table
    assert "80.33 ± 0.58" in table["untaught"]
    assert "+0.50 (+0.50 to +0.50), 3 of 3" in table["single"]
    assert "-5.00" in table["noise"] and "0 of 3" in table["noise"]
    assert "adaptive" not in table, "there is nothing to show of it"


def test_a_rule_that_hardly_changed_the_targets_is_named() -> None:
    idle = replace(score(0.9), changed=0.01)
    told = {**canned(), "correct_only": Found("correct_only", (), "lr 0.1", (idle,) * 3)}
    said = "\n".join(sentences(told))
    assert (
        "fewer than 5 % of the samples, so nearly the uniform mean itself: `correct_only`" in said
    )
    assert "nearly the uniform mean itself" not in "\n".join(sentences(canned()))


def test_it_is_told_how_many_ways_chose_the_edge_of_what_was_tried() -> None:
    (said,) = edges(replace(REGIMES["digits"], rates=(0.1, 0.2)), canned())
    assert said == "Of 5 ways 0 chose the largest learning rate tried, 5 the smallest."
    assert not list(edges(REGIMES["cifar-same"], canned())), "there is one rate alone"


def test_the_sentences_say_where_a_way_does_not_pay() -> None:
    said = "\n".join(sentences(canned()))
    assert "Every one of the 4 taught ways beats the untaught student." in said
    assert "Better than the uniform mean: `single` (+0.50)." in said
    assert "Worse than the uniform mean: `noise` (-5.00)." in said
    assert "not shown to pay: `random` (-0.03)" in said
    assert (
        "single teacher (lr 0.1, wide) has a student 0.50 points above the ensemble's "
        "(+0.50 to +0.50)." in said
    )
    assert "`adaptive` is not in the table: refused: it is not there yet." in said
    assert "Left out, for want of time: `relations`." in said


def test_at_a_glance_a_way_is_marked_by_its_interval_in_each_regime() -> None:
    findings = {"here": canned(), "there": {name: canned()[name] for name in ("untaught", "noise")}}
    table = {line.split(" | ")[0].strip("| "): line for line in overview(findings)}
    assert table["noise"] == "| noise | **+4.70** ↓ | **+4.70** | 0, 1 |"
    assert table["single"] == "| single | **+10.20** ↑ |  | 1, 0 |"
    assert table["uniform"] == "| uniform | **+9.70** |  |  |", "which is not compared with itself"
    assert "relations" not in table and "untaught" not in table
    assert not list(overview({}))


def test_the_picture_shows_each_ways_interval_in_the_panel_of_its_regime() -> None:
    findings = {"here": canned(), "there": {name: canned()[name] for name in ("untaught", "noise")}}
    here, there = picture(findings).axes
    assert [label.get_text() for label in here.get_yticklabels()] == [
        *("untaught", "single", "random", "noise")
    ]
    dots = [line.get_xydata() for line in here.lines if line.get_marker() == "o"]
    assert np.concatenate(dots) == pytest.approx(
        np.array([[-9.7, 0], [0.5, 1], [-0.033, 2], [-5.0, 3]]), abs=0.01
    )
    assert len(there.lines) == 1, "without a uniform mean there is the line of zero alone"


def test_the_page_says_what_is_known_and_what_is_not(small: Regime, tmp_path: Path) -> None:
    comparison = Comparison(
        (small, REGIMES["mnist-all"]), (WAYS["untaught"], WAYS["uniform"]), Budget(2, 1), tmp_path
    )
    known = {"digits": {"untaught": found("untaught", 0.8, 0.81)}}
    text = "\n".join(page(comparison, known, tmp_path / "shown.png"))
    assert "| uniform | combining | the mean of the teachers' softened distributions |" in text
    assert "](shown.png)" in text and str(tmp_path) not in text
    assert "--seeds 2 --trials 1" in text
    assert "## `digits`: 8x8 digits, 10 %" in text and "80.50 ± 0.71" in text
    assert "Not compared yet: `uniform`." in text
    assert "Steps were not measured here." in text
    comparison.keep_steps(small, {"uniform": [0.0012, 0.001, 0.0011]})
    later = "\n".join(page(comparison, known))
    assert "A `uniform` step takes 1.1 ms (median of 3 rounds)." in later
    assert text.rstrip().endswith("Not compared yet."), "of the other regime"


def test_the_command_line_knows_every_regime_and_way() -> None:
    said = ensembles.asked(["/data", "--regimes", "digits", "--ways", "uniform", "--trials", "1"])
    assert said.regimes == ["digits"] and said.ways == ["uniform"] and said.seeds == 5
    assert ensembles.asked(["/data"]).regimes == list(REGIMES)


@pytest.mark.parametrize("name", ["mnist-same", "cifar-same"])
def test_teachers_of_the_same_samples_are_given_the_students_own(name: str) -> None:
    recipe = REGIMES[name].recipe
    fraction = recipe["transfer_set"]["fraction"]
    assert {each["train"]["fraction"] for each in recipe["teachers"].values()} == {fraction}
    data = load_transfer_set(
        Digits(fraction=fraction, validation=270), folder=Path(), cache=Path("/nowhere")
    )
    assert data.student_ids().tolist() == data.teacher_ids(fraction).tolist()

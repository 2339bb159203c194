"""A study explores in batches, and is the same however often it was killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest

from search.errors import StudyError, TrialFailed
from search.explore import Observer, TrialCheck
from search.space import find
from tests.search.objectives import OnSeeds, Quadratic, config, history, run

ACCURACY = {"accuracy": "maximize"}
BOTH = {"accuracy": "maximize", "parameters": "minimize"}
WILCOXON = {"kind": "wilcoxon", "seeds": 8}


@pytest.mark.parametrize(
    ("sampler", "pruner", "scores"),
    [
        ("tpe", "hyperband", ACCURACY),
        ("tpe", "dominated", BOTH),
        ("nsga2", "none", BOTH),
        pytest.param("tpe", WILCOXON, ACCURACY, marks=pytest.mark.slow),
        pytest.param("random", "median", ACCURACY, marks=pytest.mark.slow),
        pytest.param({"kind": "gp", "startup_trials": 6}, "none", ACCURACY, marks=pytest.mark.slow),
    ],
)
def test_a_killed_study_has_the_history_of_an_undisturbed_one(
    tmp_path: Path, sampler: Any, pruner: Any, scores: dict[str, str]
) -> None:
    section = config(sampler=sampler, pruner=pruner, scores=scores, limits={"parameters": 4000.0})
    objective = OnSeeds if section.step == "seed" else Quadratic
    undisturbed = run(tmp_path / "whole.db", section, objective())
    for killed_after in (3, 11, 8):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed.db", section, objective(killed_after))
    killed = run(tmp_path / "killed.db", section, objective())
    assert history(killed) == history(undisturbed)
    assert len(killed) == 12


@pytest.mark.slow
def test_of_a_trial_that_ends_between_two_seeds_the_score_is_their_mean(tmp_path: Path) -> None:
    section = config(pruner=WILCOXON, scores=ACCURACY)
    trials = run(tmp_path / "study.db", section, OnSeeds())
    pruned = [trial.result for trial in trials if trial.result.state.name == "PRUNED"]
    assert pruned
    for each in pruned:
        assert list(each.curve) == list(range(1, len(each.curve) + 1))
        assert each.reason == f"wilcoxon after seed {len(each.curve)}"
        mean = fmean(scores["accuracy"] for scores in each.curve.values())
        assert each.scores["accuracy"] == mean


def test_a_finished_study_evaluates_nothing_and_a_longer_one_only_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    first = run(file, config(), Quadratic())
    again, longer = Quadratic(), Quadratic()
    assert history(run(file, config(), again)) == history(first)
    assert again.evaluated == []
    more = run(file, config(trials=15), longer)
    assert sorted(longer.evaluated) == [12, 13, 14]
    assert history(more)[:12] == history(first)


def test_the_recipes_own_values_are_trial_0(tmp_path: Path) -> None:
    own = {"x": 0.25, "w": 16}
    first, *_ = run(tmp_path / "study.db", config(trials=3), Quadratic(), own=own)
    assert first.frozen.params == own


def test_a_broken_limit_is_refused_before_training_and_known_to_optuna(tmp_path: Path) -> None:
    objective = Quadratic()
    trials = run(tmp_path / "study.db", config(limits={"parameters": 1000.0}), objective)
    refused = [trial for trial in trials if trial.result.scores["parameters"] > 1000.0]
    assert refused
    assert not {trial.number for trial in refused} & set(objective.evaluated)
    for trial in refused:
        assert trial.result.state.name == "PRUNED"
        assert "above the limit 1,000" in str(trial.result.reason)
        excess = trial.result.scores["parameters"] - 1000.0
        assert trial.frozen.constraints == {"parameters": excess}
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path}/study.db")
    assert all(trial.constraints["parameters"] <= 0 for trial in study.best_trials)


def test_a_limit_that_only_training_shows_is_a_constraint(tmp_path: Path) -> None:
    trials = run(tmp_path / "study.db", config(limits={"accuracy": 0.9}), Quadratic())
    assert {trial.result.state.name for trial in trials} == {"COMPLETE"}
    for trial in trials:
        excess = trial.frozen.constraints["accuracy"]
        assert excess == pytest.approx(0.9 - trial.result.scores["accuracy"])
    for trial in trials:
        broken = trial.result.scores["accuracy"] < 0.9
        assert ("is below the limit 0.9" in (trial.result.reason or "")) == broken


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize("sampler", ["grid", "brute_force"])
def test_each_point_is_taken_once_the_recipes_own_first(
    tmp_path: Path, sampler: str, parallel: int
) -> None:
    space = {"x": {"float": [0.0, 0.4], "step": 0.1}, "w": {"int": [1, 2]}}
    section = config(trials=40, sampler=sampler, space=space, parallel=parallel)
    own, _ = find(section.parameters, {"x": [0.1 + 0.2], "w": [2]})
    file = tmp_path / "study.db"
    with pytest.raises(KeyboardInterrupt):
        run(file, section, Quadratic(killed_after=19), own=own)
    trials = run(file, section, Quadratic(), own=own)
    assert trials[0].frozen.params == {"x": 0.3, "w": 2}
    points = sorted((trial.frozen.params["x"], trial.frozen.params["w"]) for trial in trials)
    assert points == [(x, w) for x in (0.0, 0.1, 0.2, 0.3, 0.4) for w in (1, 2)]


class Failing(Quadratic):
    """Fails in some trials, each with its own number in the sentence."""

    fails: frozenset[int] = frozenset()

    def evaluate(
        self, number: int, overrides: Mapping[str, Any], observe: Observer, plan: Any
    ) -> Mapping[str, float]:
        if number in self.fails:
            raise TrialFailed(f"the loss of trial {number} is not finite at step {7 * number}")
        return super().evaluate(number, overrides, observe, plan)


def test_a_trial_that_fails_has_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    objective = Failing()
    objective.fails = frozenset({1, 2, 5})
    trials = run(tmp_path / "study.db", config(), objective)
    assert {t.number for t in trials if t.result.state.name == "FAIL"} == {1, 2, 5}
    assert trials[2].result.reason == "the loss of trial 2 is not finite at step 14"


def test_three_failures_in_a_row_with_one_cause_end_the_study_with_it(tmp_path: Path) -> None:
    objective = Failing()
    objective.fails = frozenset(range(4, 12))
    with pytest.raises(StudyError, match=r"one cause \(the loss of trial 6 is not finite"):
        run(tmp_path / "study.db", config(), objective)


def test_what_check_refuses_fails_with_its_sentences(tmp_path: Path) -> None:
    class Refusing(Quadratic):
        def check(self, overrides: Mapping[str, Any]) -> TrialCheck:
            odd = overrides["w"] % 2
            return TrialCheck((f"`w` is {overrides['w']}",) if odd else (), {"parameters": 1.0})

    trials = run(tmp_path / "study.db", config(trials=4), Refusing(), own={"x": 0.5, "w": 3})
    assert (trials[0].result.state.name, trials[0].result.reason) == ("FAIL", "`w` is 3")

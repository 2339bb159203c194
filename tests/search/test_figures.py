"""Optuna's figures of a study are files; one that cannot be drawn is a sentence."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import pytest

from search.figures import Drawn, _coordinates, _optunas_style, _slice, _study_of, draw_figures
from tests.search.objectives import SPACE, Quadratic, config, run

NAMES = {"x": "x", "w": "width"}
OF = Drawn("accuracy", "validation accuracy, %", 100.0)


def test_all_figures_are_drawn_and_settings_of_figures_stay(tmp_path: Path) -> None:
    both = config(scores={"accuracy": "maximize", "parameters": "minimize"})
    trials = run(tmp_path / "study.db", both, Quadratic())
    before = dict(mpl.rcParams)
    drawn, failed = draw_figures(trials, both, NAMES, OF, tmp_path)
    assert failed == ()
    assert [each.file for each in drawn] == [
        "importances.png",
        "optimization_history.png",
        "parallel_coordinates.png",
        "slice.png",
    ]
    assert all((tmp_path / each.file).stat().st_size > 5_000 for each in drawn)
    assert dict(mpl.rcParams) == before


def test_the_names_of_many_values_do_not_lie_over_each_other(tmp_path: Path) -> None:
    space = {f"value.{number}": SPACE["x"] for number in range(12)} | SPACE
    trials = run(tmp_path / "study.db", config(space=space, trials=3), Quadratic())
    names = {name: name for name in space}
    with _optunas_style():
        study = _study_of(trials, config(), names, OF)
        axes = _coordinates(study, params=list(space), target_name=OF.title)
        axes.figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        few = _coordinates(study, params=["x", "w"], target_name=OF.title)
    starts = [box.x0 for box in boxes]
    assert min(later - sooner for sooner, later in pairwise(starts)) > boxes[0].height / 2
    assert few.figure.get_size_inches()[0] == pytest.approx(6.4)


def test_all_panels_of_the_slices_have_one_scale_of_trials(tmp_path: Path) -> None:
    sometimes = {"choice": {"a": "off", "b": {"k": {"int": [1, 9]}}}}
    section = config(space={**SPACE, "c": sometimes}, sampler="random")
    trials = run(tmp_path / "study.db", section, Quadratic())
    names = {name: name for trial in trials for name in trial.frozen.params}
    with _optunas_style():
        panels = _slice(_study_of(trials, section, names, OF), target_name=OF.title)
    assert len(panels) == 4
    turned = {axes.get_xlabel(): axes.get_xticklabels()[0].get_rotation() for axes in panels}
    assert turned == {"c": 30.0, "c[b].k": 0.0, "w": 0.0, "x": 0.0}, "words are"
    assert {points.get_clim() for axes in panels for points in axes.collections} == {(0, 11)}


def test_a_figure_that_cannot_be_drawn_is_a_sentence(tmp_path: Path) -> None:
    class Constant(Quadratic):
        def evaluate(self, number, overrides, observe, plan):  # type: ignore[no-untyped-def]
            return {"accuracy": 0.5, "nll": 1.0}

    trials = run(tmp_path / "study.db", config(trials=2), Constant())
    drawn, failed = draw_figures(trials, config(), NAMES, OF, tmp_path)
    assert {each.file for each in drawn} | {line.split("'")[1] for line in failed} == {
        "importances.png",
        "parallel_coordinates.png",
        "slice.png",
    }


def test_a_study_with_less_than_two_complete_trials_has_no_figures(tmp_path: Path) -> None:
    trials = run(tmp_path / "study.db", config(trials=1), Quadratic())
    assert draw_figures(trials, config(), NAMES, OF, tmp_path) == ((), ())

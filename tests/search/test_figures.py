"""Optuna's figures of a study are files; one that cannot be drawn is a sentence."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from search.figures import Drawn, draw_figures
from tests.search.objectives import Quadratic, config, run

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

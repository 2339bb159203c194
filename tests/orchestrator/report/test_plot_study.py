"""A study's pictures show its trials, its winners on fresh seeds, and the references."""

from __future__ import annotations

from pathlib import Path

from orchestrator.report.plot_study import front_figure, history_figure, study_drawings
from orchestrator.report.plots import save_pictures
from tests.orchestrator.study_samples import TRIALS, study, study_of_accuracy, trial


def test_the_front_shows_trials_winners_and_references() -> None:
    [axes] = front_figure(study()).axes
    labels = set(axes.get_legend_handles_labels()[1])
    assert labels == {
        "trial", "front", "winner, fresh seeds", "teacher", "ensemble", "untaught"
    }  # fmt: skip
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters", "validation accuracy, %")
    assert axes.get_xscale() == "log"


def test_two_scores_of_training_are_drawn_in_their_units() -> None:
    [axes] = front_figure(study(scores={"nll": "minimize", "accuracy": "maximize"})).axes
    labels = axes.get_xlabel(), axes.get_ylabel()
    assert labels == ("validation accuracy, %", "validation NLL")
    assert axes.get_xscale() == "linear"
    points = {each.get_label(): each.get_offsets()[0][0] for each in axes.collections}
    assert (points["front"], points["trial"], points["untaught"]) == (90.0, 80.0, 84.0)


def test_of_three_scores_the_architecture_is_drawn_across() -> None:
    scores = {"nll": "minimize", "accuracy": "maximize", "parameters": "minimize"}
    [axes] = front_figure(study(scores=scores)).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters", "validation NLL")


def test_a_trial_far_below_stands_at_the_border_and_is_counted() -> None:
    outlier, word = trial(5, 0.10, 700), "1 trial below the picture"
    figures = (
        front_figure(study(trials=(*TRIALS, outlier))),
        history_figure(study_of_accuracy(trials=(*TRIALS, outlier))),
    )
    for figure in figures:
        [axes] = figure.axes
        border = axes.get_ylim()[0]
        assert 60.0 < border < 85.0
        [points] = (each for each in axes.collections if each.get_label() == word)
        assert [y for _, y in points.get_offsets()] == [border]
    [axes] = front_figure(study()).axes
    assert not any("below" in label for label in axes.get_legend_handles_labels()[1])


def test_the_history_shows_the_best_so_far_and_levels_of_references() -> None:
    [axes] = history_figure(study_of_accuracy()).axes
    best, *_ = (line for line in axes.lines if line.get_label() == "best so far")
    assert [round(y, 6) for y in best.get_ydata()] == [90.0, 95.0, 95.0]
    assert {"teacher wide", "ensemble", "untaught"} <= set(axes.get_legend_handles_labels()[1])


def test_a_study_has_the_picture_that_fits_its_scores(tmp_path: Path) -> None:
    for report, file in ((study(), "front.png"), (study_of_accuracy(), "history.png")):
        drawn, failed = save_pictures(study_drawings(report), tmp_path)
        assert ([each.file for each in drawn], failed) == ([file], ())
        assert (tmp_path / file).stat().st_size > 10_000
    assert save_pictures(study_drawings(study(front=(), trials=())), tmp_path) == ((), ())

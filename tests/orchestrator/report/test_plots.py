"""The pictures show what the report's figures are, and nothing in them covers anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from orchestrator.report.plot_chain import chain_figure
from orchestrator.report.plot_labels import class_labels
from orchestrator.report.plot_stages import stages_figure
from orchestrator.report.plots import (
    curves_figure,
    draw_pictures,
    sizes_figure,
    soft_targets_figure,
    terms_figure,
    weights_figure,
)
from orchestrator.results.run_report import LearningCurve, RunReport, SoftTargets, StageReport
from orchestrator.results.teaching_report import WeightingReport
from tests.orchestrator.report_samples import (
    curve,
    model,
    report,
    soft_targets,
    teacher_weights,
    terms,
)

CHAIN = report(
    assistants={
        "1": model("assistants.1", "assistant", 0.955, 9000),
        "2": model("assistants.2", "assistant", 0.945, 4000),
    },
    controls={"direct": model("direct", "control", 0.925)},
)


def titles(figure: Figure) -> list[str]:
    whole = figure.get_suptitle()
    return [title for title in (whole, *(axes.get_title() for axes in figure.axes)) if title]


@pytest.mark.parametrize(
    "figure",
    [
        curves_figure([curve("student", 0.9), curve("untaught", 0.8)]),
        soft_targets_figure(soft_targets()),
        weights_figure(teacher_weights()),
        terms_figure(terms()),
        sizes_figure(report().models()),
        chain_figure(CHAIN),
    ],
    ids=["curves", "soft targets", "weights", "terms", "sizes", "chain"],
)
def test_every_picture_has_a_title_and_names_its_axes(figure: Figure) -> None:
    assert titles(figure)
    for axes in figure.axes:
        if axes.get_label() != "<colorbar>":
            assert axes.get_xlabel()
            assert axes.get_ylabel() or axes.get_yticklabels()


def test_the_heat_map_shows_the_structure_off_the_diagonal() -> None:
    figure = soft_targets_figure(soft_targets())
    image = figure.axes[0].images[0]
    shown = image.get_array()
    assert shown.mask.diagonal().all()
    assert shown.mask.sum() == 10
    off = 100 * soft_targets().mean[2][7]
    assert shown[2, 7] == pytest.approx(off)
    norm = image.norm
    assert norm(off) > 1.5 * (off - norm.vmin) / (norm.vmax - norm.vmin)
    assert len(figure.axes[0].texts) == 100, "the diagonal's numbers are written, too"


@pytest.mark.parametrize(
    "mean",
    [((1.0, 0.0), (0.0, 1.0)), ((0.5, 0.5), (0.5, 0.5)), ((1.0,),), tuple([(0.01,) * 100] * 100)],
)
def test_odd_soft_targets_are_drawn(mean: tuple[tuple[float, ...], ...], tmp_path: Path) -> None:
    odd = SoftTargets(tuple(f"class {n}" for n in range(len(mean))), 4.0, mean)
    empty = RunReport("digits", "0" * 64, "done", 1.0, None, soft_targets=odd)
    (picture,), _ = draw_pictures(empty, tmp_path)
    assert (tmp_path / picture.file).stat().st_size > 2000


def test_one_model_and_one_epoch_are_drawn(tmp_path: Path) -> None:
    alone = replace(
        RunReport("digits", "0" * 64, "done", 1.0, model("student", "student", 0.9)),
        curves=(LearningCurve("student", (1,), (0.5,), (1.0,)), LearningCurve("none", (), (), ())),
    )
    assert len(draw_pictures(alone, tmp_path)[0]) == 2


def test_class_names_are_drawn_as_they_stand_or_by_number(tmp_path: Path) -> None:
    names = (
        "$10_$20",
        r"\\alpha$",
        "$\\frac{",
        "a|b",
        "_x",
        "猫",
        "long " * 40,
        "long " * 41,
        "닭",
    )
    assert class_labels(names) == (
        r"\$10_\$20", r"\\alpha\$", r"\$\frac{", "a|b", "_x", "#5", "#6", "#7", "#8",
    )  # fmt: skip
    odd = SoftTargets(names, 4.0, tuple([(1 / 9,) * 9] * 9))
    empty = RunReport("digits", "0" * 64, "done", 1.0, None, soft_targets=odd)
    (picture,), failed = draw_pictures(empty, tmp_path)
    assert failed == ()
    assert picture.caption.endswith(
        " numbers: #5 is 猫, #6 is " + ", #7 is ".join(names[6:8]) + ", #8 is 닭."
    )
    shown = soft_targets_figure(odd).axes[0].get_xticklabels()
    assert [each.get_text() for each in shown] == list(class_labels(names))


def test_two_long_names_that_differ_have_two_labels() -> None:
    first, second = class_labels(("n" * 40 + "1", "n" * 40 + "2"))
    assert first != second
    assert len(first) <= 30


def test_a_picture_that_fails_is_a_sentence_and_the_others_are_drawn(
    tmp_path: Path,
) -> None:
    ragged = replace(soft_targets(), mean=((1.0, 0.0), (0.0,)))
    drawn, failed = draw_pictures(report(soft_targets=ragged), tmp_path)
    assert "mean_soft_targets.png" not in [picture.file for picture in drawn]
    assert len(drawn) >= 2
    (sentence,) = failed
    assert sentence.startswith("The picture 'mean_soft_targets.png' could not be drawn (ValueError")


@pytest.mark.parametrize("parameters", [[1210] * 4, [1210, 1300, 1210, 1400]])
def test_names_of_models_of_about_one_size_do_not_cover_each_other(parameters: list[int]) -> None:
    models = [
        model(f"control {n}", "control", 0.9 + n / 10000, size) for n, size in enumerate(parameters)
    ]
    models.append(model("wide", "teacher", 0.99, 85000))
    figure = sizes_figure(models)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    inside = figure.bbox
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)


def test_teacher_weights_are_lines_by_epoch_and_a_heat_map_by_class() -> None:
    figure = weights_figure(teacher_weights())
    shown = figure.axes[1].images[0].get_array()
    assert shown.shape == (3, 10)
    assert shown[2, 0] == pytest.approx(85.0)
    assert [line.get_label() for line in figure.axes[0].lines] == ["wide", "cnn", "deep"]


def test_without_weights_by_class_there_is_one_panel() -> None:
    figure = weights_figure(replace(teacher_weights(), by_class={}, classes=()))
    assert len(figure.axes) == 1
    assert len(figure.legends) == 1


def test_a_term_that_is_not_computed_leaves_a_gap() -> None:
    left, right = terms_figure(terms()).axes
    assert np.isnan(left.lines[0].get_ydata()[-1])
    assert len(right.lines) == 3


@pytest.mark.parametrize(
    "odd",
    [
        teacher_weights(epochs=1, classes=1),
        teacher_weights(epochs=2, classes=100),
        teacher_weights(by_class=dict.fromkeys(("wide", "cnn", "deep"), (None,) * 10)),
        teacher_weights(weights={"a": (0.0,) * 20, "b": (0.0,) * 20}, by_class={}),
        teacher_weights(fallback_shares=(0.1,) * 20),
    ],
)
def test_odd_weights_are_drawn(odd: WeightingReport) -> None:
    weights_figure(odd).canvas.draw()


def test_a_chain_is_drawn_from_the_ensemble_to_the_student_beside_the_controls() -> None:
    (axes,) = chain_figure(CHAIN).axes
    names = [label.get_text().partition("\n")[0] for label in axes.get_xticklabels()]
    assert names == ["ensemble", "assistant 1", "assistant 2", "student"]
    test, _, untaught, direct = axes.lines
    assert test.get_ydata()[1:3] == pytest.approx([95.5, 94.5])
    assert (untaught.get_ydata()[0], direct.get_ydata()[0]) == pytest.approx((88.89, 92.5))


def test_only_a_chain_has_a_picture_of_its_accuracy(tmp_path: Path) -> None:
    drawn = {
        name: {picture.file for picture in draw_pictures(each, tmp_path)[0]}
        for name, each in (("chain", CHAIN), ("offline", report()))
    }
    assert drawn["chain"] - drawn["offline"] == {"chain_accuracy.png"}
    assert "stages.png" in drawn["offline"]


def test_each_stage_is_drawn_right_of_what_it_needs_with_its_time() -> None:
    stages = [
        StageReport("teachers.wide", "1", False, 0.0),
        StageReport("assistants.1", "2", True, 12.3, ("teachers.wide",)),
        StageReport("student", "3", True, 9.5, ("assistants.1",)),
        StageReport("student#2", "4", True, 9.5, ("assistants.1",)),
        StageReport("controls.direct", "5", True, 4.0, ("teachers.wide",)),
    ]
    (axes,) = stages_figure(stages).axes
    boxes = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text()}
    assert boxes == {
        "teachers.wide\nstored": 0,
        "assistants.1\n12 s": 1,
        "student\n9.5 s": 2,
        "controls.direct\n4.0 s": 1,
    }
    assert sum(not text.get_text() for text in axes.texts) == 3, "an arrow for each need"

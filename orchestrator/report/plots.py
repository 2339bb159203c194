"""Draws a run's pictures as PNG files, without a display."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from cluster.errors import first_line
from orchestrator.report.plot_chain import chain_figure
from orchestrator.report.plot_elements import (
    LINES,
    add_legend,
    draw_heat_map,
    draw_line,
    finish_lines,
    label_axes,
    name_cells,
    panels,
)
from orchestrator.report.plot_labels import class_labels, numbers_explained
from orchestrator.report.plot_stages import stages_figure
from orchestrator.report.render_tables import LABEL
from orchestrator.results.run_report import LearningCurve, ModelReport, RunReport, SoftTargets
from orchestrator.results.teaching_report import TermReport, WeightingReport

_STYLES = {
    "student": (LINES[0], "*", 150),
    "teacher": (LINES[1], "o", 55),
    "ensemble": (LINES[2], "D", 55),
    "control": (LINES[6], "s", 55),
    "assistant": (LINES[3], "^", 55),
    "generation": (LINES[4], "v", 55),
    "route": (LINES[5], "d", 55),
}
"""Colour, marker and size of a model's point by its role; a first stage is no finished student."""

_MOST_CONTRAST = 1e4
"""Probabilities that are smaller than the largest by more have the darkest colour."""


@dataclass(frozen=True)
class Picture:
    """A picture's file, its title, and a caption that says how to read it."""

    file: str
    title: str
    caption: str


CURVES = Picture(
    "learning_curves.png",
    "Learning curves",
    "Accuracy (left, higher is better) and negative log-likelihood (right, lower is better) on the "
    "validation part after each epoch.",
)
SOFT_TARGETS = Picture(
    "mean_soft_targets.png",
    "Mean soft target per class",
    "Each row is the ensemble's mean softened prediction on the samples of one class. The diagonal "
    "is left grey and the colours are logarithmic, so that the rest shows: which classes the "
    "teachers find similar is what soft targets convey and labels do not.",
)
WEIGHTS = Picture(
    "teacher_weights.png",
    "Teacher weights by class and epoch",
    "Left: each teacher's mean weight over all samples. Right: its mean weight on the samples of "
    "each class in the last epoch; grey cells have no samples.",
)
TERMS = Picture(
    "loss_terms.png",
    "Loss terms: value and gradient norm",
    "Left: each term's mean value, before its weight is applied. Right: the norm of the weighted "
    "term's gradient with respect to the student's outputs (or its guided layer) in the epoch's "
    "first step: the larger it is, the more the term determines what the student learns.",
)
SIZES = Picture(
    "accuracy_and_size.png",
    "Test accuracy and model size",
    "One point a model; higher is more accurate, further left is smaller. The ensemble has the "
    "parameters of all its teachers.",
)

CHAIN = Picture(
    "chain_accuracy.png",
    "Accuracy along the chain",
    "From the ensemble over each intermediate model to the student. A chain pays where the student "
    "ends above the level of `direct`, which the teachers teach without intermediate models.",
)
STAGES = Picture(
    "stages.png",
    "Graph of stages",
    "Each stage takes models of those to the left that arrows come from. Dashed: stored before "
    "this run.",
)


def draw_pictures(report: RunReport, folder: Path) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draws what the report has figures for into ``folder``; gives the pictures, and a sentence on
    each that could not be drawn.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    all_pictures: tuple[Drawing, ...] = (
        (CURVES, curves_figure, [curve for curve in report.curves if curve.epochs]),
        (_explained(SOFT_TARGETS, report.soft_targets), soft_targets_figure, report.soft_targets),
        (_explained(WEIGHTS, report.teacher_weights), weights_figure, report.teacher_weights),
        (TERMS, terms_figure, report.terms if len(report.terms) > 1 else None),
        (SIZES, sizes_figure, [each for each in report.models() if each.role in _STYLES]),
        (CHAIN, chain_figure, report if report.chain and report.student else None),
        (STAGES, stages_figure, report.stages if any(s.needs for s in report.stages) else ()),
    )
    return save_pictures(all_pictures, folder)


Drawing = tuple[Picture, Callable[[Any], Figure], Any]
"""A picture, what draws it, and its figures."""


def save_pictures(
    drawings: Iterable[Drawing], folder: Path
) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draws what there are figures for; see ``draw_pictures``."""
    drawn, failed = [], []
    for picture, draw, figures in drawings:
        if not figures:
            continue
        try:
            # Without the version of the software, so that the same figure is the same file.
            draw(figures).savefig(folder / picture.file, dpi=120, metadata={"Software": None})
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and costs the run nothing else
            reason = f"{type(error).__name__}: {first_line(error)}"
            failed.append(f"The picture '{picture.file}' could not be drawn ({reason}).")
        else:
            drawn.append(picture)
    return tuple(drawn), tuple(failed)


def _explained(picture: Picture, shown: SoftTargets | WeightingReport | None) -> Picture:
    """The picture with a caption that names the classes which it shows by number."""
    if shown is None:
        return picture
    return replace(picture, caption=picture.caption + numbers_explained(shown.classes))


def curves_figure(curves: Sequence[LearningCurve]) -> Figure:
    """Validation accuracy and loss after each epoch, a line for each model."""
    figure, (left, right) = panels(CURVES.title, 4.5, 4.5)
    for number, curve in enumerate(curves):
        draw_line(left, number, curve.epochs, [100 * share for share in curve.accuracy], curve.name)
        draw_line(right, number, curve.epochs, curve.nll, curve.name)
    finish_lines(left, "validation accuracy, %")
    finish_lines(right, "validation NLL, nats")
    add_legend(figure, right)
    return figure


def terms_figure(terms: Mapping[str, TermReport]) -> Figure:
    """Left each term's unweighted value by epoch, right its weighted gradient's norm."""
    figure, (left, right) = panels(TERMS.title, 4.5, 4.5)
    for number, (name, term) in enumerate(terms.items()):
        epochs = range(1, len(term.values) + 1)
        draw_line(left, number, epochs, term.values, name)
        draw_line(right, number, epochs, term.gradients, name)
    finish_lines(left, "value, unweighted", may_be_logarithmic=True)
    finish_lines(right, "norm of the weighted gradient", may_be_logarithmic=True)
    add_legend(figure, right)
    return figure


def weights_figure(weights: WeightingReport) -> Figure:
    """Left each teacher's mean weight by epoch; right by class, in the last epoch."""
    classes, teachers = len(weights.classes), list(weights.weights)
    widths, height = [6.0], 3.9
    if weights.by_class:
        widths = [4.8, min(11.0, max(4.5, 1.8 + 0.42 * classes))]
        height = max(3.9, 1.9 + 0.45 * len(teachers))
    title = f"Teacher weights (weighting {weights.rule})"
    figure, (axes, *rest) = panels(title, *widths, height=height)
    for by_class in rest:
        shares = np.array([weights.by_class[name] for name in teachers], float)
        draw_heat_map(by_class, 100 * np.ma.masked_invalid(shares), 100 * shares, "mean weight, %")
        name_cells(by_class, class_labels(weights.classes), teachers)
        by_class.set_xlabel("class")
        by_class.set_title(f"by class, epoch {weights.epochs[-1]}", fontsize=10)
    for number, (teacher, means) in enumerate(weights.weights.items()):
        draw_line(axes, number, weights.epochs, [100 * mean for mean in means], teacher)
    if any(weights.fallback_shares):
        label = [100 * share for share in weights.fallback_shares]
        draw_line(axes, 0, weights.epochs, label, LABEL, color="black", linestyle="--")
    finish_lines(axes, "mean weight, %")
    axes.set_ylim(bottom=0)
    add_legend(figure, axes)
    return figure


def soft_targets_figure(soft_targets: SoftTargets) -> Figure:
    """The mean soft target per class; the diagonal is left grey so that the rest shows."""
    mean = 100 * np.asarray(soft_targets.mean, dtype=float)
    size = len(mean)
    hidden = np.ma.masked_where(np.eye(size, dtype=bool) | (mean <= 0), mean)
    side = min(9.0, 3.2 + 0.42 * size)
    title = f"{SOFT_TARGETS.title}, temperature {soft_targets.temperature:g}, in %"
    figure, (axes,) = panels(title, side + 1.2, height=side)
    norm = None
    if hidden.count() and hidden.max() > hidden.min():
        norm = LogNorm(max(hidden.min(), hidden.max() / _MOST_CONTRAST), hidden.max())
    draw_heat_map(axes, hidden, mean, "mean probability, %", norm)
    labels = class_labels(soft_targets.classes)
    name_cells(axes, labels, labels)
    axes.set_xlabel("class predicted by the ensemble")
    axes.set_ylabel("true class")
    return figure


def sizes_figure(models: Sequence[ModelReport]) -> Figure:
    """Test accuracy against parameters."""
    figure, (axes,) = panels(SIZES.title, 7, height=4.7)
    places = [(max(model.parameters, 1), 100 * model.test.accuracy) for model in models]
    for model, place, offset in zip(models, places, _label_offsets(places), strict=True):
        colour, marker, area = _STYLES[model.role]
        axes.scatter(*place, s=area, color=colour, marker=marker, label=model.role, zorder=3)
        axes.annotate(
            model.name,
            place,
            xytext=offset,
            textcoords="offset points",
            ha="left" if offset[0] > 0 else "right",
            va="center",
            fontsize=9,
            color=colour,
        )
    axes.set_xscale("log")
    axes.margins(x=0.14, y=0.14)
    label_axes(axes, "parameters", "test accuracy, %")
    add_legend(figure, axes)
    return figure


def _label_offsets(places: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Where each model's name stands, in points from its own place: towards the middle, and moved
    up where it would cover the name of a model of about its size."""
    sizes, accuracies = np.log([size for size, _ in places]), [height for _, height in places]
    middle, near = (sizes.min() + sizes.max()) / 2, 0.25 * np.ptp(sizes)
    per_point = (max(accuracies) - min(accuracies) or 1.0) / 215  # The axes' height in points.
    tops: dict[int, float] = {}
    for number in np.argsort(accuracies, kind="stable"):
        taken = [
            top + 12.0
            for other, top in tops.items()
            if abs(sizes[other] - sizes[number]) <= near
            and (sizes[other] > middle) == (sizes[number] > middle)
        ]
        tops[number] = max([accuracies[number] / per_point, *taken])
    return [
        (-9.0 if sizes[number] > middle else 9.0, tops[number] - accuracies[number] / per_point)
        for number in range(len(places))
    ]

"""Draws a run's pictures as PNG files, without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from orchestrator.report.plot_style import (
    LINES,
    MOST_NAMES,
    MOST_NUMBERS,
    label_axes,
    percentage,
    save,
)
from orchestrator.report.weighting_plots import (
    LISTENING,
    TERMS,
    listening_figure,
    terms_figure,
)
from orchestrator.results.run_report import DarkKnowledge, LearningCurve, ModelReport, RunReport

FloatArray = npt.NDArray[np.float64]

CURVES = "learning_curves.png"
DARK_KNOWLEDGE = "dark_knowledge.png"
SIZES = "accuracy_and_size.png"

_COLOURS = {"student": LINES[0], "teacher": LINES[1], "ensemble": LINES[2], "control": LINES[6]}
_MARKERS = {"student": "*", "teacher": "o", "ensemble": "D", "control": "s"}


def draw_pictures(report: RunReport, folder: Path) -> tuple[Path, ...]:
    """Draws what the report has figures for; the files' names are always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if any(curve.epochs for curve in report.curves):
        drawn.append(save(curves_figure(report.curves), folder / CURVES))
    if report.dark_knowledge is not None:
        drawn.append(save(dark_knowledge_figure(report.dark_knowledge), folder / DARK_KNOWLEDGE))
    if report.listening is not None:
        drawn.append(save(listening_figure(report.listening), folder / LISTENING))
    if len(report.terms) > 1:
        drawn.append(save(terms_figure(report.terms), folder / TERMS))
    if report.models():
        drawn.append(save(sizes_figure(report.models()), folder / SIZES))
    return tuple(drawn)


def curves_figure(curves: Sequence[LearningCurve]) -> Figure:
    """Validation accuracy and loss after each epoch, a line for each model."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.06})
    for number, curve in enumerate(curve for curve in curves if curve.epochs):
        style = {
            "color": LINES[number % len(LINES)],
            "linewidth": 2.0 if number == 0 else 1.3,
            "zorder": 3 if number == 0 else 2,
            "marker": "o" if len(curve.epochs) == 1 else "",
        }
        left.plot(curve.epochs, [100 * share for share in curve.accuracy], **style)
        right.plot(curve.epochs, curve.nll, label=curve.name, **style)
    label_axes(left, "epoch", "validation accuracy, %")
    label_axes(right, "epoch", "validation loss, nats")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend(frameon=False)
    return figure


def dark_knowledge_figure(knowledge: DarkKnowledge) -> Figure:
    """The mean soft target per class; the diagonal is left grey so that the rest shows."""
    mean = np.asarray(knowledge.mean, dtype=float)
    size = len(mean)
    hidden = np.ma.masked_where(np.eye(size, dtype=bool) | (mean <= 0), mean)
    side = min(9.0, 3.2 + 0.42 * size)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("#DDDDDD")
    norm = LogNorm(hidden.min(), hidden.max()) if hidden.count() and _spread(hidden) else None
    image = axes.imshow(hidden, cmap="viridis", norm=norm)
    bar = figure.colorbar(image, ax=axes, label="mean probability, %", shrink=0.85)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(_as_percent))
    bar.ax.yaxis.set_minor_formatter(FuncFormatter(_as_percent))
    if size <= MOST_NAMES:
        slanted = max(map(len, knowledge.classes)) > 3
        axes.set_xticks(range(size), knowledge.classes, rotation=45 if slanted else 0)
        axes.set_yticks(range(size), knowledge.classes)
    if size <= MOST_NUMBERS:
        _write_numbers(axes, mean, np.asarray(image.norm(mean)))
    axes.set_xlabel("class that the ensemble thinks of")
    axes.set_ylabel("true class")
    axes.set_title(f"Mean soft target, T = {knowledge.temperature:g} (in %)", fontsize=11)
    return figure


def sizes_figure(models: Sequence[ModelReport]) -> Figure:
    """Test accuracy against parameters."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for model in models:
        axes.scatter(
            max(model.parameters, 1),
            100 * model.test.accuracy,
            color=_COLOURS[model.role],
            marker=_MARKERS[model.role],
            s=150 if model.role == "student" else 55,
            zorder=3,
        )
    axes.set_xscale("log")
    label_axes(axes, "parameters", "test accuracy, %")
    axes.margins(x=0.14, y=0.14)
    sizes = [max(model.parameters, 1) for model in models]
    middle = (min(sizes) * max(sizes)) ** 0.5
    for model, height in zip(models, _label_heights(models), strict=True):
        axes.annotate(
            model.name,
            (model.parameters, 100 * model.test.accuracy),
            xytext=(-9 if model.parameters > middle else 9, height),
            textcoords="offset points",
            ha="right" if model.parameters > middle else "left",
            va="center",
            fontsize=9,
            color=_COLOURS[model.role],
        )
    return figure


def _label_heights(models: Sequence[ModelReport]) -> list[float]:
    """Points to move each label up, so that models of one size do not write over each other."""
    accuracies = [model.test.accuracy for model in models]
    span = max(accuracies) - min(accuracies) or 1.0
    per_point = span / 230.0  # The axes are about 230 points high.
    heights = [0.0] * len(models)
    for size in {model.parameters for model in models}:
        same = sorted((a, n) for n, a in enumerate(accuracies) if models[n].parameters == size)
        lowest = float("-inf")
        for accuracy, number in same:
            lowest = max(accuracy / per_point, lowest + 12.0)
            heights[number] = lowest - accuracy / per_point
    return heights


def _spread(values: FloatArray) -> bool:
    return bool(values.max() > values.min())


def _as_percent(value: float, _position: int) -> str:
    return f"{100 * value:.2g}"


def _write_numbers(axes: Axes, mean: FloatArray, light: FloatArray) -> None:
    for row, column in np.ndindex(*mean.shape):
        axes.text(
            column,
            row,
            percentage(100 * float(mean[row, column])),
            ha="center",
            va="center",
            fontsize=7,
            color="black" if row == column or light[row, column] > 0.7 else "white",
        )

"""Draws who a student listened to, and which of its terms drove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orchestrator.report.plot_style import (
    LINES,
    MOST_NAMES,
    MOST_NUMBERS,
    label_axes,
    percentage,
)
from orchestrator.report.render_weighting_tables import LABEL
from orchestrator.results.term_report import TermReport
from orchestrator.results.weighting_report import WeightingReport

LISTENING = "who_was_listened_to.png"
TERMS = "terms.png"

_WIDE_APART = 20.0
"""Values that differ by more are drawn on a scale of powers of ten."""


def listening_figure(told: WeightingReport) -> Figure:
    """Left each teacher's mean weight over the epochs; right by class, of the last epoch."""
    if not told.by_class:
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        _weights(figure.subplots(), told)
        return figure
    across, down = len(told.classes), len(told.weights)
    height = max(3.6, 1.6 + 0.45 * down)
    right = min(11.0, max(4.5, 1.8 + 0.42 * across))
    figure = Figure(figsize=(4.8 + right, height), layout="constrained")
    ratios = {"width_ratios": [4.8, right], "wspace": 0.04}
    beside = figure.subplots(1, 2, gridspec_kw=ratios)
    _weights(beside[0], told)
    _by_class(figure, beside[1], told)
    return figure


def _weights(axes: Axes, told: WeightingReport) -> None:
    for number, (teacher, shares) in enumerate(told.weights.items()):
        drawn = [100 * share for share in shares]
        axes.plot(told.epochs, drawn, label=teacher, **_line(number, len(shares)))
    if any(told.fallback_shares):
        drawn = [100 * share for share in told.fallback_shares]
        style = _line(0, len(drawn)) | {"color": "black", "linestyle": "--", "linewidth": 1.3}
        axes.plot(told.epochs, drawn, label=LABEL, **style)
    label_axes(axes, "epoch", "mean weight, %")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def _by_class(figure: Figure, axes: Axes, told: WeightingReport) -> None:
    shares = [told.by_class[name] for name in told.weights]
    weights = np.array([[np.nan if w is None else w for w in row] for row in shares], float)
    axes.set_facecolor("#DDDDDD")
    drawn = 100 * np.ma.masked_invalid(weights)
    image = axes.imshow(drawn, cmap="viridis", vmin=0, aspect="auto")
    figure.colorbar(image, ax=axes, label="mean weight, %", shrink=0.9)
    axes.set_yticks(range(len(told.weights)), list(told.weights))
    if len(told.classes) <= MOST_NAMES:
        slanted = max(map(len, told.classes)) > 3
        slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(told.classes)), told.classes, **(slant if slanted else {}))
    if len(told.classes) <= MOST_NUMBERS:
        _write_numbers(axes, drawn, np.asarray(image.norm(drawn)))
    axes.set_xlabel("class")
    axes.set_title(f"By class, epoch {told.epochs[-1]}", fontsize=11)


def _write_numbers(axes: Axes, drawn: Any, light: Any) -> None:
    for row, column in np.ndindex(*drawn.shape):
        if drawn[row, column] is not np.ma.masked:
            said = percentage(float(drawn[row, column])) if drawn[row, column] else "0"
            colour = "black" if light[row, column] > 0.7 else "white"
            axes.text(column, row, said, ha="center", va="center", fontsize=7, color=colour)


def terms_figure(terms: Mapping[str, TermReport]) -> Figure:
    """Left each term's unweighted value over the epochs, right its weighted gradient's norm."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.06})
    _courses(left, {name: term.values for name, term in terms.items()})
    _courses(right, {name: term.gradients for name, term in terms.items()})
    label_axes(left, "epoch", "value of the term, unweighted")
    label_axes(right, "epoch", "norm of its weighted gradient")
    right.legend(frameon=False)
    return figure


def _courses(axes: Axes, courses: Mapping[str, Sequence[float | None]]) -> None:
    for number, (name, values) in enumerate(courses.items()):
        drawn = [np.nan if value is None else value for value in values]
        style = _line(number, len(drawn))
        axes.plot(range(1, len(drawn) + 1), drawn, label=name, **style)
    heights = [value for values in courses.values() for value in values if value is not None]
    if heights and min(heights) > 0 and max(heights) > _WIDE_APART * min(heights):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _line(number: int, points: int) -> dict[str, Any]:
    return {
        "color": LINES[number % len(LINES)],
        "linewidth": 1.6,
        "linestyle": "-" if number < len(LINES) else ":",
        "marker": "o" if points == 1 else "",
    }

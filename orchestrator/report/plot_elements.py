"""Draws what all pictures are made of: panels, lines, heat maps, axes, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from orchestrator.report.plot_labels import MOST_NAMES

FloatArray = npt.NDArray[np.float64]

LINES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's colours, which differ for all kinds of colour vision."""

_MOST_NUMBERS = 12
"""Nor are numbers written into its cells where more stand beside each other."""
_WIDE_RANGE = 20.0
"""Values whose largest ratio is higher are drawn on a logarithmic axis."""


def label_axes(axes: Axes, across: str, up: str) -> None:
    """Names both directions, draws a light grid, and leaves two sides open."""
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def panels(title: str, *widths: float, height: float = 3.9) -> tuple[Figure, list[Axes]]:
    """A figure of panels beside each other, of ``widths`` and ``height`` in inches."""
    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    figure.suptitle(title, fontsize=11)
    ratios = {"width_ratios": widths, "wspace": 0.06}
    return figure, list(figure.subplots(1, len(widths), squeeze=False, gridspec_kw=ratios)[0])


def draw_line(
    axes: Axes,
    number: int,
    epochs: Sequence[int],
    values: Sequence[float | None],
    label: str,
    **style: Any,
) -> None:
    """Draws the line of that ``number``, which gives its colour; None leaves a gap."""
    plain: dict[str, Any] = {
        "color": LINES[number % len(LINES)],
        "linewidth": 1.6,
        "linestyle": "-" if number < len(LINES) else ":",
        "marker": "o" if len(values) == 1 else "",
    }
    axes.plot(epochs, np.array(values, float), label=label, **(plain | style))


def finish_lines(axes: Axes, up: str, *, may_be_logarithmic: bool = False) -> None:
    """Names the axes; the upright one may be logarithmic where the values differ very much."""
    label_axes(axes, "epoch", up)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    drawn = drawn[np.isfinite(drawn)]
    if may_be_logarithmic and len(drawn) and 0 < drawn.min() < drawn.max() / _WIDE_RANGE:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.2g}")


def add_legend(figure: Figure, axes: Axes) -> None:
    """Names what ``axes`` shows, each once, below all panels, where it covers nothing."""
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    columns = min(4, len(named))
    figure.legend(
        named.values(), named, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def draw_heat_map(
    axes: Axes, values: Any, numbers: FloatArray, label: str, norm: LogNorm | None = None
) -> None:
    """Colours the unmasked ``values``, and writes ``numbers`` (percentages) into the cells."""
    axes.set_facecolor("#DDDDDD")
    least = None if norm else 0.0
    image = axes.imshow(values, cmap="viridis", norm=norm, vmin=least, aspect="auto")
    bar = axes.figure.colorbar(image, ax=axes, label=label, shrink=0.9)
    if norm:
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter("{x:.2g}")
        bar.ax.yaxis.set_minor_locator(NullLocator())
    if max(numbers.shape[1], len(numbers)) > _MOST_NUMBERS:
        return
    lightness, masked = np.asarray(image.norm(numbers)), np.ma.getmaskarray(values)
    for row, column in np.argwhere(np.isfinite(numbers)):
        dark = not masked[row, column] and lightness[row, column] <= 0.7
        colour, text = "white" if dark else "black", _percentage(numbers[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)


def name_cells(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Names columns and rows, if they are not too many."""
    if len(columns) <= MOST_NAMES:
        axes.set_xticks(range(len(columns)), columns)
        if max(map(len, columns)) > 3:
            for label in axes.get_xticklabels():
                label.set(rotation=45, ha="right", rotation_mode="anchor")
    if len(rows) <= MOST_NAMES:
        axes.set_yticks(range(len(rows)), rows)


def _percentage(value: float) -> str:
    """A percentage as a cell of a heat map holds it: two digits."""
    if 0 < value < 0.01:
        return "<.01"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"

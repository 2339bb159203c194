"""What all pictures share: colours, axes, how a file is written."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

LINES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's colours, which differ for all kinds of colour vision."""

MOST_NAMES = 30
"""More classes than that are not named beside a heat map."""
MOST_NUMBERS = 12
"""Nor are numbers written into its cells where more stand beside each other."""


def label_axes(axes: Axes, across: str, up: str) -> None:
    """Names both directions, draws a light grid, and leaves two sides open."""
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def percentage(value: float) -> str:
    """A percentage as a cell of a heat map holds it: two digits."""
    if value < 0.01:
        return "<.01"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def save(figure: Figure, path: Path) -> Path:
    """Writes the file, which is the same for the same figure."""
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path

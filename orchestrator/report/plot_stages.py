"""Draws a run's stages as a graph: what each takes of others, and how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from orchestrator.formatting import format_duration
from orchestrator.report.plot_elements import LINES
from orchestrator.results.run_report import StageReport

_COLOURS = {"teachers": LINES[1], "student": LINES[0], "controls": LINES[6]}
"""By the beginning of a stage's name; intermediate models have the one of assistants."""
_INTERMEDIATE = LINES[3]
_WIDTH, _HEIGHT = 2.0, 0.75
"""Inches of a stage, with the room around it."""
_HALF = 0.38
"""Half the width of a box, the distance of two columns being one."""
_LONG = 20
"""Names of so many characters are written in two lines."""


def stages_figure(stages: Sequence[StageReport]) -> Figure:
    """One box for each stage, right of all that it needs; repeats beyond the first are left out."""
    shown = {stage.name: stage for stage in stages if "#" not in stage.name}
    columns = _columns(shown)
    places, rows = _places(columns)
    width, height = _WIDTH * (1 + max(columns.values())), 0.6 + _HEIGHT * rows
    figure = Figure(figsize=(max(width, 5.0), max(height, 2.6)), layout="constrained")
    figure.suptitle("Stages, with the seconds that each took in this run", fontsize=11)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.5, max(columns.values()) + 0.5)
    axes.set_ylim(-rows / 2, rows / 2)
    for name, stage in shown.items():
        _draw_box(axes, stage, places[name])
        for need in stage.needs:
            _draw_arrow(axes, places[need], places[name])
    return figure


def _columns(stages: Mapping[str, StageReport]) -> dict[str, int]:
    """How many stages stand one after another before each; a stage follows what it needs."""
    columns: dict[str, int] = {}
    for name, stage in stages.items():
        columns[name] = 1 + max((columns[need] for need in stage.needs), default=-1)
    return columns


def _places(columns: Mapping[str, int]) -> tuple[dict[str, tuple[int, float]], int]:
    """The middle of each stage's box, and the number of rows: each column is centred."""
    sizes, seen = Counter(columns.values()), Counter[int]()
    places = {}
    for name, column in columns.items():
        places[name] = (column, (sizes[column] - 1) / 2 - seen[column])
        seen[column] += 1
    return places, max(sizes.values())


def _draw_box(axes: Axes, stage: StageReport, place: tuple[int, float]) -> None:
    kind = stage.name.partition(".")[0]
    name = stage.name if len(stage.name) < _LONG else stage.name.replace(".", ".\n", 1)
    box = FancyBboxPatch(
        (place[0] - _HALF, place[1] - 0.32),
        2 * _HALF,
        0.64,
        boxstyle="round,pad=0,rounding_size=0.08",
        mutation_aspect=_WIDTH / _HEIGHT,
        facecolor="white",
        edgecolor=_COLOURS.get(kind, _INTERMEDIATE),
        linewidth=1.6,
        linestyle="-" if stage.ran else "--",
    )
    axes.add_patch(box)
    status = format_duration(stage.seconds) if stage.ran else "stored"
    axes.text(*place, f"{name}\n{status}", ha="center", va="center", fontsize=8)


def _draw_arrow(axes: Axes, start: tuple[int, float], end: tuple[int, float]) -> None:
    """An arrow between the sides of two boxes that face each other."""
    arrow = {"arrowstyle": "->", "color": "#8A8A8A", "shrinkA": 0, "shrinkB": 1}
    axes.annotate("", (end[0] - _HALF, end[1]), (start[0] + _HALF, start[1]), arrowprops=arrow)

"""Draws a study's pictures: its trials by two scores, or by one in their order, with references."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orchestrator.formatting import counted
from orchestrator.report.plot_elements import LINES, add_legend, label_axes, panels
from orchestrator.report.plots import Drawing, Picture
from orchestrator.report.render_study import main_score
from orchestrator.report.study_values import reference_score, score_title
from orchestrator.results.run_report import ModelReport
from orchestrator.results.study_report import StudyReport, Winner
from search.config import LEARNED

FRONT = Picture(
    "front.png",
    "Pareto front",
    "Each point is a trial on the validation part; stars are the front, of which no other trial is "
    "better in all scores. Bars: a winner on fresh seeds, mean and standard deviation. Untaught "
    "is the student of the recipe's own values without teachers. Triangles at the border: trials "
    "that are so much worse that they lie outside the picture.",
)
HISTORY = Picture(
    "history.png",
    "Scores in the order of the trials",
    "Each point is a trial on the validation part, the line the best one so far. The bar at the "
    "right is the winner on fresh seeds, mean and standard deviation. Triangles at the border: "
    "trials that are so much worse that they lie outside the picture.",
)
_WIDE_RANGE = 8.0
_MOST_BEYOND = 0.7
"""Trials that are worse than all else, and than the better half of them, by more of the range of
these lie outside the picture."""
_COLOURS = {"teacher": LINES[1], "ensemble": LINES[2], "control": LINES[6]}
_MARKERS = {"teacher": "o", "ensemble": "D", "control": "s"}


def study_drawings(report: StudyReport) -> tuple[Drawing, ...]:
    """The picture of all trials, where any is complete."""
    if len(report.scores) > 1:
        return ((FRONT, front_figure, report if report.front else None),)
    return ((HISTORY, history_figure, report if report.best_first else None),)


def front_figure(report: StudyReport) -> Figure:
    """The first learned score against another one, of the architecture if one was asked for."""
    up = main_score(report)
    across = min((name for name in report.scores if name != up), key=LEARNED.__contains__)
    figure, (axes,) = panels(FRONT.title, 7.5, height=5.0)
    places: list[tuple[float, float]] = []
    numbers: dict[tuple[float, float], list[str]] = {}  # Of the front, by place.
    for trial in sorted(report.best_first, key=lambda each: each.scores[across]):
        place = (_shown(across, trial.scores[across]), _shown(up, trial.scores[up]))
        if trial.number in report.front:
            numbers.setdefault(place, []).append(str(trial.number))
        else:
            places.append(place)
    xs, ys = zip(*numbers, strict=True)
    axes.plot(xs, ys, color="#EDAB85", linewidth=1.0)
    axes.scatter(xs, ys, marker="*", color=LINES[0], s=110, label="front", zorder=3)
    for place, equal in numbers.items():  # To the left, where trials are fewer.
        axes.annotate(", ".join(equal), place, xytext=(-6, 4), textcoords="offset points",
                      ha="right", fontsize=8, color=LINES[0])  # fmt: skip
    for winner in report.winners:
        _draw_seeds(axes, _shown(across, winner.scores[across]), winner, up)
    _draw_reference_points(axes, report.references, across, up)
    axes.margins(x=0.1, y=0.08)
    values = [_shown(up, trial.scores[up]) for trial in report.best_first]
    _draw_trials(axes, places, values, higher_is_better=report.scores[up] == "maximize")
    low, high = axes.dataLim.intervalx
    if across not in LEARNED and low > 0 and high / low > _WIDE_RANGE:
        axes.set_xscale("log")
    label_axes(axes, score_title(across), score_title(up))
    add_legend(figure, axes)
    return figure


def _draw_trials(
    axes: Axes,
    places: Sequence[tuple[float, float]],
    values: Sequence[float],
    *,
    higher_is_better: bool,
) -> None:
    """Draws trials beside what is drawn already; those that are much worse at the border.
    ``values`` are those of all trials."""
    ordered = sorted(values, reverse=higher_is_better)
    levels = [*axes.dataLim.intervaly, *ordered[: math.ceil(len(ordered) / 2)]]
    levels = [level for level in levels if math.isfinite(level)]  # Those of nothing are not.
    if not levels:
        return
    reach = _MOST_BEYOND * (max(levels) - min(levels))
    edge = min(levels) - reach if higher_is_better else max(levels) + reach
    inside = [(x, y) for x, y in places if (y >= edge if higher_is_better else y <= edge)]
    outside = [x for x, y in places if (y < edge if higher_is_better else y > edge)]
    if inside:
        across, up = zip(*inside, strict=True)
        axes.scatter(across, up, marker="o", color="#B0B0B0", s=26, label="trial", zorder=3)
    if outside:
        way, marker = ("below", "v") if higher_is_better else ("above", "^")
        axes.scatter(
            outside, [edge] * len(outside), marker=marker, s=30, color="#808080",
            label=f"{counted(len(outside), 'trial')} {way} the picture", zorder=4, clip_on=False,
        )  # fmt: skip
        axes.set_ylim(**{"bottom" if higher_is_better else "top": edge})


def history_figure(report: StudyReport) -> Figure:
    """The one score of each complete trial, and the best so far; references as levels."""
    [(name, direction)] = report.scores.items()
    figure, (axes,) = panels(HISTORY.title, 7.5, height=4.6)
    trials = sorted(report.best_first, key=lambda trial: trial.number)
    numbers = [trial.number for trial in trials]
    values = [_shown(name, trial.scores[name]) for trial in trials]
    best = list(accumulate(values, max if direction == "maximize" else min))
    for winner in report.winners:
        _draw_seeds(axes, len(report.trials), winner, name)
    for label, model in report.references.items():
        if (level := reference_score(model, name)) is not None:
            axes.axhline(
                _shown(name, level), color=_COLOURS[model.role], linestyle="--", linewidth=1.1,
                label=f"teacher {label}" if model.role == "teacher" else label,
            )  # fmt: skip
    places = list(zip(numbers, values, strict=True))
    _draw_trials(axes, places, values, higher_is_better=direction == "maximize")
    axes.step(numbers, best, where="post", color=LINES[0], linewidth=1.4, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, "trial", score_title(name))
    add_legend(figure, axes)
    return figure


def _shown(name: str, value: float) -> float:
    return 100 * value if name == "accuracy" else value


def _draw_seeds(axes: Axes, across: float, winner: Winner, name: str) -> None:
    """A winner over its fresh seeds, if it has any: mean and standard deviation."""
    if (scores := winner.repeats.get(name)) is None:
        return
    axes.errorbar(
        across, _shown(name, scores.mean), yerr=_shown(name, scores.sd or 0.0), color="#222222",
        marker="_", markersize=9, linewidth=1.2, capsize=3, label="winner, fresh seeds", zorder=4,
    )  # fmt: skip


def _draw_reference_points(
    axes: Axes, models: Mapping[str, ModelReport], across: str, up: str
) -> None:
    by_score = sorted(models.items(), key=lambda each: -(reference_score(each[1], up) or 0.0))
    for number, (name, model) in enumerate(by_score):
        x, value = reference_score(model, across), reference_score(model, up)
        if x is None or value is None:
            continue
        colour, x, y = _COLOURS[model.role], _shown(across, x), _shown(up, value)
        axes.scatter(x, y, s=50, color=colour, marker=_MARKERS[model.role],
                     label="untaught" if model.role == "control" else model.role,
                     zorder=3)  # fmt: skip
        beside = (7, -11 if number % 2 else 3)
        axes.annotate(name, (x, y), xytext=beside, textcoords="offset points", fontsize=8,
                      color=colour)  # fmt: skip

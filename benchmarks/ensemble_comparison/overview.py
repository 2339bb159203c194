"""A table and a figure over all regimes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.ensemble_comparison.methods import METHODS, UNTAUGHT
from benchmarks.ensemble_comparison.step_times import UNIFORM
from benchmarks.ensemble_comparison.table import WITHOUT_TEACHERS, difference, significance
from benchmarks.ensemble_comparison.tuning import MethodResult
from orchestrator.report.plot_elements import LINES, label_axes
from orchestrator.results.finished_run import Paired

ResultsByRegime = Mapping[str, Mapping[str, MethodResult]]
"""The result of each method, by regime."""

LEGEND = (
    "Gain in test accuracy over the untaught student of the same regime, in points. **Bold**: the "
    "95 % CI of the gain excludes zero. ↑ and ↓: significantly better and worse than the uniform "
    "mean; the last column counts the regimes."
)
TITLE = "Difference in test accuracy from the uniform mean, with 95 % CI, by regime"
ACROSS = 3
"""Panels in a row."""
WIDTH, HEIGHT = 3.8, 0.2
"""Inches of a regime's panel, and of a method's line in it."""


def overview(results_by_regime: ResultsByRegime) -> Iterator[str]:
    """A line for each method and a column for each regime, as Markdown; empty without a regime."""
    if not results_by_regime:
        return
    yield LEGEND
    yield ""
    yield f"| method | {' | '.join(results_by_regime)} | ↑, ↓ |"
    yield f"|{'---|' * (len(results_by_regime) + 2)}"
    for name in _taught(results_by_regime):
        cells = [_cell(name, results) for results in results_by_regime.values()]
        yield f"| {name} | {' | '.join(cells)} | {_count_cell(name, results_by_regime)} |"
    yield ""


def _taught(results_by_regime: ResultsByRegime) -> list[str]:
    """All methods but the untaught one that some regime has, in the order of the tables."""
    known = {
        name
        for results in results_by_regime.values()
        for name, each in results.items()
        if each.scores
    }
    return [name for name in METHODS if name in known - {UNTAUGHT}]


def _cell(name: str, results: Mapping[str, MethodResult]) -> str:
    gain = difference(results[name], results.get(UNTAUGHT)) if name in results else None
    if gain is None:
        return ""
    points = f"{100 * gain.mean:+.2f}"
    arrow = {1: " ↑", -1: " ↓", 0: ""}[_to_uniform(name, results)]
    return f"{f'**{points}**' if significance(gain) else points}{arrow}"


def _to_uniform(name: str, results: Mapping[str, MethodResult]) -> int:
    """Significance of the difference from the uniform mean; 0 for methods without teachers."""
    if name in WITHOUT_TEACHERS or name not in results:
        return 0
    return significance(difference(results[name], results.get(UNIFORM)))


def _count_cell(name: str, results_by_regime: ResultsByRegime) -> str:
    if name in (UNIFORM, *WITHOUT_TEACHERS):
        return ""
    each = [_to_uniform(name, results) for results in results_by_regime.values()]
    return f"{each.count(1)}, {each.count(-1)}"


def plot(results_by_regime: ResultsByRegime) -> Figure:
    """A panel for each regime: every method's difference from the uniform mean, with its CI."""
    names = [UNTAUGHT, *(name for name in _taught(results_by_regime) if name != UNIFORM)]
    return plot_differences(
        names,
        {
            regime: {name: difference(each, found.get(UNIFORM)) for name, each in found.items()}
            for regime, found in results_by_regime.items()
        },
    )


def plot_differences(
    names: Sequence[str], differences: Mapping[str, Mapping[str, Paired | None]]
) -> Figure:
    """The figure, from the differences by regime and method."""
    across = min(ACROSS, len(differences))
    down = -(-len(differences) // across)
    figure = Figure(
        figsize=(1 + WIDTH * across, down * (1.1 + HEIGHT * len(names))), layout="constrained"
    )
    figure.suptitle(TITLE)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flatten()
    for axes, (regime, found) in zip(panels, differences.items(), strict=False):
        _panel(axes, names, found)
        axes.set_title(regime, fontsize=11)
    for axes in panels[len(differences) :]:
        axes.set_visible(False)
    panels[0].invert_yaxis()
    return figure


def _panel(axes: Axes, names: Sequence[str], differences: Mapping[str, Paired | None]) -> None:
    for height, name in enumerate(names):
        gain = differences.get(name)
        if gain is None or gain.low is None or gain.high is None:
            continue
        colour = {1: LINES[2], -1: LINES[0], 0: LINES[6]}[significance(gain)]
        axes.plot([100 * gain.low, 100 * gain.high], [height, height], color=colour, linewidth=1.6)
        axes.plot(100 * gain.mean, height, "o", color=colour, markersize=4)
    axes.axvline(0, color="black", linewidth=0.8)
    label_axes(axes, "difference in test accuracy (points)", "")
    axes.set_yticks(range(len(names)), names, fontsize=8)

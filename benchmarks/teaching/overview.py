"""What was found in all regimes at once: a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.teaching.contest import Found
from benchmarks.teaching.steps import UNIFORM
from benchmarks.teaching.table import NOBODY, difference, told_apart
from benchmarks.teaching.ways import UNTAUGHT, WAYS
from orchestrator.report.plot_elements import LINES, label_axes

Findings = Mapping[str, Mapping[str, Found]]
"""What was found of each way, by regime."""

READING = (
    "Test points gained on the untaught student of the same regime. **Bold**: the 95 % interval "
    "of that gain leaves out zero. ↑ and ↓: better and worse than the uniform mean, by such an "
    "interval; the last column counts in how many regimes."
)
ACROSS = 3
"""Panels beside each other."""
WIDTH, HEIGHT = 3.8, 0.2
"""Inches of a regime's panel, and of a way's line in it."""


def overview(findings: Findings) -> Iterator[str]:
    """A line for each way and a column for each regime, as Markdown; empty without a regime."""
    if not findings:
        return
    yield READING
    yield ""
    yield f"| way | {' | '.join(findings)} | ↑, ↓ |"
    yield f"|{'---|' * (len(findings) + 2)}"
    for name in _taught(findings):
        cells = [_cell(name, found) for found in findings.values()]
        yield f"| {name} | {' | '.join(cells)} | {_counted(name, findings)} |"
    yield ""


def _taught(findings: Findings) -> list[str]:
    """All ways but the untaught one that some regime knows, in the order of the tables."""
    known = {name for found in findings.values() for name, each in found.items() if each.scores}
    return [name for name in WAYS if name in known - {UNTAUGHT}]


def _cell(name: str, found: Mapping[str, Found]) -> str:
    gain = difference(found[name], found.get(UNTAUGHT)) if name in found else None
    if gain is None:
        return ""
    points = f"{100 * gain.mean:+.2f}"
    return f"{f'**{points}**' if told_apart(gain) else points}{_arrow(name, found)}"


def _arrow(name: str, found: Mapping[str, Found]) -> str:
    return {1: " ↑", -1: " ↓", 0: ""}[_side(name, found)]


def _side(name: str, found: Mapping[str, Found]) -> int:
    """Of the uniform mean; ways without teachers are not compared with it."""
    if name in NOBODY or name not in found:
        return 0
    return told_apart(difference(found[name], found.get(UNIFORM)))


def _counted(name: str, findings: Findings) -> str:
    if name in (UNIFORM, *NOBODY):
        return ""
    sides = [_side(name, found) for found in findings.values()]
    return f"{sides.count(1)}, {sides.count(-1)}"


def picture(findings: Findings) -> Figure:
    """A panel for each regime: every way's difference to the uniform mean, with its interval."""
    names = [UNTAUGHT, *(name for name in _taught(findings) if name != UNIFORM)]
    across = min(ACROSS, len(findings))
    down = -(-len(findings) // across)
    figure = Figure(
        figsize=(1 + WIDTH * across, down * (1.1 + HEIGHT * len(names))), layout="constrained"
    )
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flatten()
    for axes, (regime, found) in zip(panels, findings.items(), strict=False):
        _panel(axes, names, found)
        axes.set_title(regime, fontsize=11)
    for axes in panels[len(findings) :]:
        axes.set_visible(False)
    panels[0].invert_yaxis()
    return figure


def _panel(axes: Axes, names: Sequence[str], found: Mapping[str, Found]) -> None:
    for height, name in enumerate(names):
        gain = difference(found[name], found.get(UNIFORM)) if name in found else None
        if gain is None or gain.low is None or gain.high is None:
            continue
        colour = {1: LINES[2], -1: LINES[0], 0: LINES[6]}[told_apart(gain)]
        axes.plot([100 * gain.low, 100 * gain.high], [height, height], color=colour, linewidth=1.6)
        axes.plot(100 * gain.mean, height, "o", color=colour, markersize=4)
    axes.axvline(0, color="black", linewidth=0.8)
    label_axes(axes, "test points to the uniform mean", "")
    axes.set_yticks(range(len(names)), names, fontsize=8)

"""What repeats of one recipe say: mean, spread, paired differences with their interval, wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import fmean, stdev
from typing import Any

from pydantic import TypeAdapter
from scipy.special import stdtrit

from orchestrator.formatting.table import Grid
from orchestrator.report.render_summary import percent
from orchestrator.results.run_report import ModelReport, RunReport

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (none for one value)."""

    count: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Paired:
    """The difference of two models over the same seeds.

    ``low`` and ``high`` bound the mean difference with 95 % confidence (Student's t with
    ``count - 1`` degrees of freedom); they are none for one repeat. ``wins`` counts the seeds on
    which the first is better, ``ties`` those on which both are equal.
    """

    count: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    wins: int
    ties: int


@dataclass(frozen=True)
class RepeatReport:
    """Test accuracies over repeats, by model, and the student's gain over each control."""

    recipe: str
    repeats: int
    accuracy: dict[str, Spread]
    gains: dict[str, Paired] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain mappings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> RepeatReport:
        """Reads the text of what ``to_json`` gave.

        Raises:
            ValueError: it is not such a report.
        """
        return TypeAdapter(RepeatReport).validate_json(text)


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of at least one value."""
    return Spread(len(values), fmean(values), stdev(values) if len(values) > 1 else None)


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """``first`` minus ``second``, seed by seed.

    Raises:
        ValueError: they are not of one length, or empty.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    found = spread(differences)
    low = high = None
    if found.deviation is not None:
        quantile = float(stdtrit(found.count - 1, (1 + CONFIDENCE) / 2))
        reach = quantile * found.deviation / found.count**0.5
        low, high = found.mean - reach, found.mean + reach
    wins = sum(difference > 0 for difference in differences)
    ties = sum(difference == 0 for difference in differences)
    return Paired(found.count, found.mean, found.deviation, low, high, wins, ties)


def repeat_report(reports: Sequence[RunReport]) -> RepeatReport:
    """What finished runs of one recipe on several seeds say together.

    Raises:
        ValueError: there is no run, or one of them has no student.
    """
    students = _accuracies(reports, lambda report: report.student)
    if not reports or students is None:
        raise ValueError(
            f"a comparison over repeats has {len(reports)} runs, of which each must have a taught "
            "student; run again those that did not end"
        )
    named = ("untaught", *reports[0].controls)
    found = {name: _accuracies(reports, partial(_control, name=name)) for name in named}
    controls = {name: values for name, values in found.items() if values}
    ensemble = _accuracies(reports, lambda report: report.ensemble)
    columns = {"student": students, **controls, **({"ensemble": ensemble} if ensemble else {})}
    return RepeatReport(
        recipe=reports[0].name,
        repeats=len(reports),
        accuracy={name: spread(values) for name, values in columns.items()},
        gains={name: paired(students, values) for name, values in controls.items()},
    )


def _control(report: RunReport, name: str) -> ModelReport | None:
    return report.untaught if name == "untaught" else report.controls.get(name)


def _accuracies(
    reports: Sequence[RunReport], model: Callable[[RunReport], ModelReport | None]
) -> list[float] | None:
    found = [model(report) for report in reports]
    values = [each.test.accuracy for each in found if each is not None]
    return values if len(values) == len(reports) else None


def repeat_grid(report: RepeatReport) -> Grid:
    """The table of repeats: test accuracy in %, the student's gain in points."""
    headers = ("model", "test %", "spread", "gain", "spread", "95 % interval", "wins")
    rows = tuple(
        (name, percent(found.mean), _points(found.deviation), *_gain(report.gains.get(name)))
        for name, found in report.accuracy.items()
    )
    title = f"Over {report.repeats} seeds; gain of the student, in points, over the same seeds"
    return Grid(title, headers, rows)


def _gain(found: Paired | None) -> tuple[str, ...]:
    if found is None:
        return ("-",) * 4
    interval = (
        "-"
        if found.low is None or found.high is None
        else f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    )
    wins = f"{found.wins} of {found.count}"
    return f"{100 * found.mean:+.2f}", _points(found.deviation), interval, wins


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def repeat_sentence(report: RepeatReport) -> str:
    """Whether the student gained over untaught, with the interval that says how sure that is."""
    found = report.gains.get("untaught")
    if found is None:
        return "There is no untaught student to compare with."
    change = "gained" if found.mean > 0 else "lost"
    said = (
        f"The student {change} {100 * abs(found.mean):.2f} points against the same student untaught"
    )
    ties = f", {found.ties} equal" if found.ties else ""
    wins = f"it won on {found.wins} of {found.count} seeds{ties}"
    if found.low is None or found.high is None:
        return f"{said}; {wins}. One seed has no interval; repeat on more."
    clear = "does not contain" if found.low > 0 or found.high < 0 else "contains"
    return (
        f"{said} (95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}, which {clear} "
        f"zero); {wins}."
    )

"""Compares models over several seeds: mean, spread, paired differences with their interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean, stdev

from scipy.special import stdtrit

from orchestrator.results.finished_run import Paired, RepeatReport, Spread
from orchestrator.results.run_report import ModelReport, RunReport

CONFIDENCE = 0.95


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of at least one value."""
    return Spread(len(values), fmean(values), stdev(values) if len(values) > 1 else None)


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """``first`` minus ``second``, seed by seed.

    Raises:
        ValueError: they are not of one length, or empty.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    whole, low, high = spread(differences), None, None
    if whole.deviation is not None:
        quantile = float(stdtrit(whole.count - 1, (1 + CONFIDENCE) / 2))
        reach = quantile * whole.deviation / whole.count**0.5
        low, high = whole.mean - reach, whole.mean + reach
    wins = sum(difference > 0 for difference in differences)
    ties = sum(difference == 0 for difference in differences)
    return Paired(**vars(whole), low=low, high=high, wins=wins, ties=ties)


def repeat_report(reports: Sequence[RunReport]) -> RepeatReport:
    """Compares the students of finished runs of one recipe, one run a seed.

    Raises:
        ValueError: there is no run, or one of them has no student.
    """
    students = _accuracies(reports, lambda report: report.student)
    if not reports or students is None:
        raise ValueError(
            f"a comparison over repeats has {len(reports)} runs, of which each must have a trained "
            "student; run again those that did not finish"
        )
    controls: dict[str, list[float]] = {}
    for name in ("untaught", *reports[0].controls):
        if values := _accuracies(reports, partial(_control, name=name)):
            controls[name] = values
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
    """Test accuracies of one model; none where a report does not have it."""
    values = [found.test.accuracy for each in reports if (found := model(each)) is not None]
    return values if len(values) == len(reports) else None

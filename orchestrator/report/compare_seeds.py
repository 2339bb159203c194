"""Compares models over several seeds: mean, spread, paired differences with their interval."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from scipy.special import stdtrit

from orchestrator.results.finished_run import Paired, RepeatReport, Spread
from orchestrator.results.run_report import RunReport

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
    models = [
        {"student": each.student, "untaught": each.untaught, **each.controls,
         "ensemble": each.ensemble}
        for each in reports
    ]  # fmt: skip
    accuracies: dict[str, list[float]] = {}
    for name in models[0] if models else ():
        found = [model.test.accuracy for each in models if (model := each.get(name)) is not None]
        if len(found) == len(reports):
            accuracies[name] = found
    students = accuracies.get("student")
    if students is None:
        raise ValueError(
            f"a comparison over repeats has {len(reports)} runs, of which each must have a trained "
            "student; run again those that did not finish"
        )
    return RepeatReport(
        recipe=reports[0].name,
        repeats=len(reports),
        accuracy={name: spread(values) for name, values in accuracies.items()},
        gains={
            name: paired(students, values)
            for name, values in accuracies.items()
            if name not in ("student", "ensemble")
        },
    )

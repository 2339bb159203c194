"""The tables of a lesson: who the student listened to, and what drove it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.formatting.table import ABSENT, Grid
from orchestrator.results.run_report import RunReport
from orchestrator.results.term_report import TermReport, gradient_shares
from orchestrator.results.weighting_report import WeightingReport

LABEL = "(the label)"


def lesson_grids(report: RunReport) -> Iterator[Grid]:
    """Those of which there are figures; one term alone needs no table."""
    if report.listening is not None:
        yield _listening(report.listening)
    if len(report.terms) > 1:
        yield _terms(report.terms)


def _listening(told: WeightingReport) -> Grid:
    rows = [
        (name, _hundredths(shares[0]), _hundredths(shares[-1]), *_extremes(told, name))
        for name, shares in told.weights.items()
    ]
    if any(told.fallback_shares):
        own = (_hundredths(told.fallback_shares[0]), _hundredths(told.fallback_shares[-1]))
        rows.append((LABEL, *own, ABSENT, ABSENT))
    headers = ("teacher", "first epoch", "last epoch", "most for", "least for")
    title = f"Who was listened to (rule {told.rule}; mean weight in %, classes in the last epoch)"
    return Grid(title, headers, tuple(rows))


def _extremes(told: WeightingReport, teacher: str) -> tuple[str, str]:
    """The classes for which a teacher was listened to most and least."""
    shares = told.by_class.get(teacher, ())
    found = sorted((share, number) for number, share in enumerate(shares) if share is not None)
    if not found:
        return ABSENT, ABSENT
    return _on_class(told, *found[-1]), _on_class(told, *found[0])


def _on_class(told: WeightingReport, share: float, number: int) -> str:
    return f"{told.classes[number]} ({_hundredths(share)})"


def _terms(terms: Mapping[str, TermReport]) -> Grid:
    shares = gradient_shares(terms, -1)
    rows = tuple(
        (
            name,
            _figure(term.values[-1:]),
            _weight(term.weights),
            _figure(term.gradients[:1]),
            _figure(term.gradients[-1:]),
            _hundredths(shares[name]) if name in shares else ABSENT,
        )
        for name, term in terms.items()
    )
    headers = ("term", "value, last", "weight", "gradient, first", "gradient, last", "of all, %")
    title = "What drove the student (first and last epoch; values unweighted, gradients weighted)"
    return Grid(title, headers, rows)


def _figure(found: Sequence[float | None]) -> str:
    """Three digits of what stands there, if anything does."""
    return ABSENT if not found or found[0] is None else f"{found[0]:.3g}"


def _weight(weights: Sequence[float]) -> str:
    if not weights:
        return ABSENT
    first, last = (f"{weight:.3g}" for weight in (weights[0], weights[-1]))
    return first if first == last else f"{first} to {last}"


def _hundredths(share: float) -> str:
    return f"{100 * share:.1f}"

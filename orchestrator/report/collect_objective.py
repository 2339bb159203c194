"""Collects teacher weights and loss terms, by epoch, from the step log of a student's stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from orchestrator.results.teaching_report import TermReport, WeightingReport
from students.objectives.term import Term
from students.objectives.weight_schedule import weight_at
from students.storage.step_log import Row
from teachers.weighting.rule import WeightingRule

_SMALLEST_WEIGHT = 0.00005
"""Less than that is rounding."""


def term_reports(
    rows: Iterable[Row], objective: Mapping[str, Term], steps_per_epoch: int, epochs: int
) -> dict[str, TermReport]:
    """The terms of ``objective`` that the steps have recorded: means over each epoch's steps."""
    recorded: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in rows:
        if row.kind == "step":
            for key, value in row.values.items():
                recorded[key, row.step // steps_per_epoch].append(value)

    def by_epoch(key: str) -> tuple[float | None, ...]:
        each = (recorded.get((key, epoch)) for epoch in range(epochs))
        return tuple(fmean(values) if values else None for values in each)

    keys = {key for key, _ in recorded}
    return {
        name: TermReport(
            kind=term.kind,
            weights=tuple(weight_at(term.weight, epoch) for epoch in range(epochs)),
            values=by_epoch(f"terms/{name}"),
            gradients=by_epoch(f"gradient/{name}"),
        )
        for name, term in objective.items()
        if f"terms/{name}" in keys
    }


def weighting_report(
    rows: Iterable[Row],
    weighting: WeightingRule,
    classes: Sequence[str],
    *,
    samples_seen: bool = False,
) -> WeightingReport | None:
    """Teacher weights from the rows of the epochs; none where they have recorded none."""
    epochs = [row for row in rows if row.kind == "epoch" and any(_teachers(row))]
    if not epochs:
        return None
    # In the order of the rows, which is that of the recipe's teachers.
    teachers = list(dict.fromkeys(name for row in epochs for name in _teachers(row)))
    weights = {name: _by_epoch(epochs, f"weights/{name}") for name in teachers}
    last = epochs[-1].values
    by_class = {
        name: tuple(last.get(f"weights/{name}/{number}") for number in range(len(classes)))
        for name in teachers
    }
    if all(share is None for shares in by_class.values() for share in shares):
        by_class, classes = {}, ()
    fallback = [0.0] * len(epochs)
    if weighting.has_fallback:
        fallback = [1 - sum(shares) for shares in zip(*weights.values(), strict=True)]
    return WeightingReport(
        rule=weighting.kind,
        epochs=tuple(row.epoch + 1 for row in epochs),
        weights=weights,
        target_changed=_by_epoch(epochs, "rule/changed"),
        class_changed=_by_epoch(epochs, "rule/renamed"),
        fallback_shares=tuple(each if each > _SMALLEST_WEIGHT else 0.0 for each in fallback),
        by_class=by_class,
        classes=tuple(classes),
        samples_seen=samples_seen,
        is_trained=weighting.is_trained,
        training_only=weighting.training_only,
    )


def _teachers(row: Row) -> list[str]:
    """The teachers whose weights over all classes the row holds."""
    keys = (key.split("/") for key in row.values)
    return [key[1] for key in keys if key[0] == "weights" and len(key) == 2]


def _by_epoch(epochs: Iterable[Row], key: str) -> tuple[float, ...]:
    return tuple(row.values.get(key, 0.0) for row in epochs)

"""Who a student listened to, as values: how much each teacher counted, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from students.storage.step_log import Row

_SMALLEST = 0.00005
"""Less than that of the weights is rounding."""


@dataclass(frozen=True)
class WeightingReport:
    """Who the student listened to under a ``rule`` that is neither uniform nor fixed.

    ``weights`` are each teacher's mean weight over the samples of each of ``epochs``, which are
    counted from one; ``by_class`` its mean weight on each class's samples in the last of them
    (those without a label are of the class that the teachers name; none where there were no
    samples; empty where teachers and classes are too many to keep).
    ``changed`` are the shares of samples whose target the rule moved away from that of the
    uniform mean, ``renamed`` of those where it changed the class that the target names.
    ``seen``: all teachers have seen all samples that the student learns from.
    ``judged_without``: the rule cannot be asked on the held-out parts.
    """

    rule: str
    epochs: tuple[int, ...]
    weights: Mapping[str, tuple[float, ...]]
    changed: tuple[float, ...]
    renamed: tuple[float, ...]
    by_class: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    seen: bool = False
    judged_without: bool = False

    @property
    def fallback_shares(self) -> tuple[float, ...]:
        """The share of samples in each epoch for which the label stood in, since no teacher had
        any weight: that happens where only those count that are right."""
        if self.rule != "correct_only":
            return (0.0,) * len(self.epochs)
        left = (1 - sum(shares) for shares in zip(*self.weights.values(), strict=True))
        return tuple(share if share > _SMALLEST else 0.0 for share in left)

    def scores(self) -> dict[str, float]:
        """The figures of the last epoch that a tracker keeps, by ``listening/...``."""
        return {name: value for name, value in self._scores() if self.epochs}

    def _scores(self) -> Iterator[tuple[str, float]]:
        yield "listening/changed", self.changed[-1]
        yield "listening/renamed", self.renamed[-1]
        for teacher, shares in self.weights.items():
            yield f"listening/weights/{teacher}", shares[-1]


def weighting_report(
    rows: Iterable[Row],
    rule: str,
    classes: tuple[str, ...],
    *,
    seen: bool = False,
    judged_without: bool = False,
) -> WeightingReport | None:
    """What the epochs' rows of one stage tell; none where they tell nothing of it."""
    told = [row for row in rows if row.kind == "epoch" and any(_whole(row.values))]
    if not told:
        return None
    # In the order of the rows: that of the recipe's teachers.
    teachers = list(dict.fromkeys(name for row in told for name in _whole(row.values)))
    by_class = {name: _of_classes(told[-1].values, name, len(classes)) for name in teachers}
    known = any(share is not None for shares in by_class.values() for share in shares)
    return WeightingReport(
        rule=rule,
        epochs=tuple(row.epoch + 1 for row in told),
        weights={name: _over(told, f"weights/{name}") for name in teachers},
        changed=_over(told, "rule/changed"),
        renamed=_over(told, "rule/renamed"),
        by_class=by_class if known else {},
        classes=classes if known else (),
        seen=seen,
        judged_without=judged_without,
    )


def _whole(values: Mapping[str, float]) -> Iterator[str]:
    """The teachers whose weights over all classes are told."""
    for name in values:
        part, _, teacher = name.partition("/")
        if part == "weights" and "/" not in teacher:
            yield teacher


def _of_classes(
    values: Mapping[str, float], teacher: str, classes: int
) -> tuple[float | None, ...]:
    return tuple(values.get(f"weights/{teacher}/{number}") for number in range(classes))


def _over(rows: Iterable[Row], name: str) -> tuple[float, ...]:
    return tuple(row.values.get(name, 0.0) for row in rows)

"""The learning curve of a stage: loss and validation figures by epoch, from its step log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from students.storage.outcome import CurvePoint
from students.storage.step_log import Row


def learning_curve(rows: Iterable[Row], steps_per_epoch: int) -> tuple[CurvePoint, ...]:
    """One point per epoch: the mean loss of its steps, and its validation where there was one."""
    losses: dict[int, list[float]] = defaultdict(list)
    validation: dict[int, Row] = {}
    for row in rows:
        if row.kind == "epoch":
            validation[row.epoch] = row
        elif "loss" in row.values:
            losses[row.step // steps_per_epoch].append(row.values["loss"])
    points = []
    for epoch in sorted({*losses, *validation}):
        found = validation[epoch].values if epoch in validation else {}
        seen = losses.get(epoch)
        points.append(
            CurvePoint(
                epoch=epoch,
                step=(epoch + 1) * steps_per_epoch,
                loss=sum(seen) / len(seen) if seen else None,
                accuracy=found.get("accuracy"),
                nll=found.get("nll"),
            )
        )
    return tuple(points)

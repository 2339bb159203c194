"""The learning curve of a stage: loss and validation figures by epoch, from its step log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from students.storage.outcome import CurvePoint
from students.storage.step_log import Row


def learning_curve(rows: Iterable[Row], steps_per_epoch: int) -> tuple[CurvePoint, ...]:
    """One point per epoch: the mean loss of its steps, and its validation where there was one."""
    losses: dict[int, list[float]] = defaultdict(list)
    validation: dict[int, Mapping[str, float]] = {}
    for row in rows:
        if row.kind == "epoch":
            validation[row.epoch] = row.values
        elif "loss" in row.values:
            losses[row.step // steps_per_epoch].append(row.values["loss"])
    return tuple(
        CurvePoint(
            epoch=epoch,
            step=(epoch + 1) * steps_per_epoch,
            loss=sum(losses[epoch]) / len(losses[epoch]) if epoch in losses else None,
            accuracy=validation.get(epoch, {}).get("accuracy"),
            nll=validation.get(epoch, {}).get("nll"),
        )
        for epoch in sorted({*losses, *validation})
    )

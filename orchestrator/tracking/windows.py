"""Turns a stage's committed rows into metrics: one mean for each window of steps.

Window w holds the steps from w * every up to (w + 1) * every. It is told when it is complete,
or when the stage is finished; so a window that a resume cuts in two is told once, from rows of
both attempts. What is measured once an epoch is told as it is, at its own step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from orchestrator.tracking.tracker import Cursor, Metric, key
from students.storage.step_log import Row

_SUMS = frozenset({"wait_seconds", "skipped", "nonfinite"})
_RATE = frozenset({"samples", "step_seconds"})
_ONCE_AN_EPOCH = "gradient/"
_MOST_AT_ONCE = 500
"""Trackers take no more than 1000 values at a time; beyond this a window has their means."""


@dataclass(frozen=True)
class Told:
    """Metrics that belong together, and how far they reach."""

    metrics: tuple[Metric, ...]
    cursor: Cursor


class Windows:
    """Takes the rows of one stage in order and tells what lies beyond ``cursor``."""

    def __init__(self, every: int, cursor: Cursor) -> None:
        self._every = every
        self._cursor = cursor
        self._open: list[Row] = []

    def take(self, rows: Iterable[Row]) -> Iterator[Told]:
        """The windows and epochs that ``rows`` complete."""
        for row in rows:
            yield from self._epoch(row) if row.kind == "epoch" else self._step(row)

    def close(self) -> Iterator[Told]:
        """The last window, complete or not: the stage is finished."""
        if self._open:
            yield self._tell(self._open[-1].step + 1)

    def _step(self, row: Row) -> Iterator[Told]:
        if row.step < self._cursor.step:
            return
        if self._open and row.step // self._every != self._open[0].step // self._every:
            yield self._tell(self._open[-1].step + 1)
        self._open.append(row)
        if (row.step + 1) % self._every == 0:
            yield self._tell(row.step + 1)

    def _tell(self, until: int) -> Told:
        rows, self._open = self._open, []
        self._cursor = Cursor(until, self._cursor.epoch)
        last = rows[-1]
        own, rest = _apart(rows)
        means = _metrics(window_values(rest), last.step, last.time_ms)
        return Told((*means, *own), self._cursor)

    def _epoch(self, row: Row) -> Iterator[Told]:
        if row.epoch < self._cursor.epoch:
            return
        self._cursor = Cursor(self._cursor.step, row.epoch + 1)
        values = {epoch_name(name): value for name, value in row.values.items()}
        yield Told(_metrics(values, row.step, row.time_ms), self._cursor)


def _apart(rows: Sequence[Row]) -> tuple[list[Metric], list[Mapping[str, float]]]:
    """What was measured once an epoch, each at its own step; and the rows without it."""
    own = [
        metric
        for row in rows
        for metric in _metrics(_once_an_epoch(row.values, True), row.step, row.time_ms)
    ]
    if len(own) > _MOST_AT_ONCE:
        return [], [row.values for row in rows]
    return own, [_once_an_epoch(row.values, False) for row in rows]


def _once_an_epoch(values: Mapping[str, float], wanted: bool) -> dict[str, float]:
    return {n: value for n, value in values.items() if n.startswith(_ONCE_AN_EPOCH) is wanted}


def epoch_name(name: str) -> str:
    """What a value of an epoch's row is called: plain names are figures of the validation part;
    those that say where they belong, such as ``weights/wide``, are whole already."""
    return name if "/" in name else f"validation/{name}"


def window_values(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What one window says: means, but sums of waiting and of what was skipped or not finite.

    ``samples_per_second`` is all samples over all seconds of the steps. A mean is over the rows
    that have the value; it lacks those that were not finite.
    """
    names = sorted(set(chain.from_iterable(rows)) - _RATE)
    values: dict[str, float] = {}
    for name in names:
        present = [row[name] for row in rows if name in row]
        values[name] = sum(present) if name in _SUMS else sum(present) / len(present)
    seconds = sum(row.get("step_seconds", 0.0) for row in rows)
    if seconds > 0:
        values["samples_per_second"] = sum(row.get("samples", 0.0) for row in rows) / seconds
    return values


def _metrics(values: Mapping[str, float], step: int, time_ms: int) -> tuple[Metric, ...]:
    return tuple(Metric(key(name), value, step, time_ms) for name, value in values.items())

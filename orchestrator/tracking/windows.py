"""Averages a stage's committed rows into metrics: one mean for each window of steps.

Window w holds the steps from w * every up to (w + 1) * every. It gives metrics when it is complete,
or when the stage is finished; so a window that a resume cuts in two gives them once, from rows of
both attempts. What is measured once an epoch is passed on unchanged, at its own step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from orchestrator.tracking.tracker import Cursor, Metric, key
from students.storage.step_log import Row, Segments, read_committed

MetricBatch = tuple[list[Metric], Cursor]
"""Metrics that are sent together, and the cursor behind them."""

MOST_METRICS = 900
"""MLflow takes 1000 metrics at a time."""

_SUMS = frozenset({"wait_seconds", "skipped", "nonfinite"})
_RATE = frozenset({"samples", "step_seconds"})
_ONCE_AN_EPOCH = "gradient/"
_MOST_AT_ONCE = 500
"""A window with more such values than this has their means instead."""


class CommittedMetrics:
    """Reads the committed rows of the stage in ``folder``, each once, through ``windows``."""

    def __init__(self, folder: Path, windows: Windows) -> None:
        self._folder = folder
        self._windows = windows
        self._read: Segments = ()

    def can_continue(self, segments: Segments) -> bool:
        """Whether ``segments`` go on where those that were read end.

        They do not when a damaged checkpoint was passed over and training resumed from an earlier
        one; then reading starts again, behind the tracker's cursor.
        """
        same = segments[: len(self._read)]
        if same == self._read:
            return True
        return (
            len(segments) == len(self._read)
            and segments[:-1] == self._read[:-1]
            and segments[-1][0] == self._read[-1][0]
            and segments[-1][1] > self._read[-1][1]
        )

    def read(self, segments: Segments, *, finished: bool) -> Iterator[MetricBatch]:
        """The metrics of rows that were committed since, at most ``MOST_METRICS`` at a time.

        Raises:
            CheckpointError: the step log cannot be read.
        """
        collected: list[Metric] = []
        cursor = Cursor()
        rows = read_committed(self._folder, segments, self._read)
        last = self._windows.close() if finished else ()
        for metrics, after in chain(self._windows.take(rows), last):
            if collected and len(collected) + len(metrics) > MOST_METRICS:
                yield collected, cursor
                collected = []
            collected += metrics
            cursor = after
        self._read = segments
        if collected:
            yield collected, cursor


class Windows:
    """Takes the rows of one stage in order and gives the metrics that lie beyond ``cursor``."""

    def __init__(self, every: int, cursor: Cursor) -> None:
        self._every = every
        self._cursor = cursor
        self._open: list[Row] = []

    def take(self, rows: Iterable[Row]) -> Iterator[MetricBatch]:
        """The metrics of the windows and epochs that ``rows`` complete."""
        for row in rows:
            if row.kind == "epoch":
                if row.epoch >= self._cursor.epoch:
                    self._cursor = Cursor(self._cursor.step, row.epoch + 1)
                    # A plain name is a figure of the validation part; weights/wide stays as it is.
                    values = {
                        name if "/" in name else f"validation/{name}": value
                        for name, value in row.values.items()
                    }
                    yield _metrics(values, row), self._cursor
            elif row.step >= self._cursor.step:
                if self._open and row.step // self._every != self._open[0].step // self._every:
                    yield from self.close()
                self._open.append(row)
                if (row.step + 1) % self._every == 0:
                    yield from self.close()

    def close(self) -> Iterator[MetricBatch]:
        """The metrics of the open window, complete or not."""
        if self._open:
            rows, self._open = self._open, []
            self._cursor = Cursor(rows[-1].step + 1, self._cursor.epoch)
            yield _window(rows), self._cursor


def _window(rows: Sequence[Row]) -> list[Metric]:
    """One window: the means of its rows at the last step, and what has a step of its own."""
    own = [metric for row in rows for metric in _metrics(_once_an_epoch(row.values, True), row)]
    values = [row.values for row in rows]
    if len(own) > _MOST_AT_ONCE:
        own = []
    else:
        values = [_once_an_epoch(each, False) for each in values]
    return [*_metrics(window_means(values), rows[-1]), *own]


def _once_an_epoch(values: Mapping[str, float], wanted: bool) -> Mapping[str, float]:
    return {n: value for n, value in values.items() if n.startswith(_ONCE_AN_EPOCH) is wanted}


def window_means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over one window, but sums of waiting and of what was skipped or not finite.

    ``samples_per_second`` is all samples over all seconds of the steps. A mean is over the rows
    that have the value; it lacks those that were not finite.
    """
    values: dict[str, float] = {}
    for name in sorted(set(chain.from_iterable(rows)) - _RATE):
        present = [row[name] for row in rows if name in row]
        values[name] = sum(present) if name in _SUMS else sum(present) / len(present)
    seconds = sum(row.get("step_seconds", 0.0) for row in rows)
    if seconds > 0:
        values["samples_per_second"] = sum(row.get("samples", 0.0) for row in rows) / seconds
    return values


def _metrics(values: Mapping[str, float], row: Row) -> list[Metric]:
    return [Metric(key(name), value, row.step, row.time_ms) for name, value in values.items()]

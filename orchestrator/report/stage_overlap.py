"""Tells which part of a stage's steps other stages ran beside, from the times in their spools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from students.errors import CheckpointError
from students.storage.step_log import Row, read_committed

Span = tuple[float, float]
"""From when to when, in milliseconds since 1970."""

_PAUSE = 5_000.0
"""Milliseconds between two steps that still count as work: validation, a checkpoint."""


def spans_of(rows: Iterable[Row]) -> tuple[Span, ...]:
    """When a stage was at work: its steps, and the short pauses between them."""
    spans: list[Span] = []
    for row in rows:
        if row.kind != "step":
            continue
        begin, end = _step(row)
        if spans and begin - spans[-1][1] < _PAUSE:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    return tuple(spans)


@lru_cache(maxsize=1024)
def stage_spans(folder: Path, segments: tuple[tuple[int, int], ...]) -> tuple[Span, ...]:
    """When the stage in ``folder`` was at work; never, where its spool is gone."""
    try:
        return spans_of(read_committed(folder, segments))
    except CheckpointError:
        return ()


def share_beside(rows: Iterable[Row], others: Iterable[Sequence[Span]]) -> float:
    """The share of the steps' time, but the first one's, in which any of ``others`` was at
    work."""
    busy = _merged(span for spans in others for span in spans)
    steps = [_step(row) for row in rows if row.kind == "step"][1:]
    whole = sum(end - begin for begin, end in steps)
    return sum(_within(step, busy) for step in steps) / whole if whole > 0 else 0.0


def _step(row: Row) -> Span:
    return row.time_ms - 1000 * row.values.get("step_seconds", 0.0), float(row.time_ms)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _within(step: Span, busy: Sequence[Span]) -> float:
    return sum(max(0.0, min(step[1], end) - max(step[0], begin)) for begin, end in busy)

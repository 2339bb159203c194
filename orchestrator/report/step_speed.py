"""Speed of a stage's steps, and the share of their time during which other stages ran too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from orchestrator.results.teaching_report import StepSpeed
from students.errors import CheckpointError
from students.storage.step_log import Row, read_committed

Span = tuple[float, float]
"""Beginning and end, in milliseconds since 1970."""

_PAUSE = 5_000.0
"""Milliseconds between two steps that still count as work: validation, a checkpoint."""


def committed_rows(folder: Path, segments: tuple[tuple[int, int], ...]) -> list[Row]:
    """The rows of the finished stage in ``folder``; none where its step log is gone."""
    try:
        return list(read_committed(folder, segments))
    except CheckpointError:
        return []


@lru_cache(maxsize=1024)
def stage_spans(folder: Path, segments: tuple[tuple[int, int], ...]) -> tuple[Span, ...]:
    """When the stage in ``folder`` was running; never, where its step log is gone."""
    return spans_of(committed_rows(folder, segments))


def spans_of(rows: Iterable[Row]) -> tuple[Span, ...]:
    """When a stage was running: its steps, and the short pauses between them."""
    return _merged((_span(row) for row in rows if row.kind == "step"), _PAUSE)


def step_speed(rows: Iterable[Row], others: Iterable[Sequence[Span]] = ()) -> StepSpeed | None:
    """The speed of all steps but the first, which includes preparation; none where there are no
    others. ``others`` is when each other stage was running."""
    steps = [row for row in rows if row.kind == "step"][1:]
    seconds, samples, waited = (
        sum(row.values[key] for row in steps) for key in ("step_seconds", "samples", "wait_seconds")
    )
    if not seconds:
        return None
    busy = _merged((span for spans in others for span in spans), 0.0)
    shared = sum(
        max(0.0, min(end, until) - max(begin, since))
        for begin, end in map(_span, steps)
        for since, until in busy
    )
    return StepSpeed(samples / seconds, waited / seconds, shared / (1000 * seconds))


def _span(step: Row) -> Span:
    return step.time_ms - 1000 * step.values.get("step_seconds", 0.0), float(step.time_ms)


def _merged(spans: Iterable[Span], pause: float) -> tuple[Span, ...]:
    """The same times without overlaps, and without gaps shorter than ``pause``."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + pause:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)

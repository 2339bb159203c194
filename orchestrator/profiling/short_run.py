"""Runs a stage for a few seconds, in a session as a run does, and times its steps.

Waits as a run does; the stage is freed by its first event after the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from orchestrator.execution.stage_works import StageResult, Watcher
from orchestrator.planning.stage import Stage
from orchestrator.profiling.bench import Bench
from students.events import Advanced, Committed, EpochReport, Event, Resumed
from students.storage.step_log import Row, read_committed, step_log_path

FEWEST_STEPS = 3
"""Steps before a stage is stopped; the first one makes things ready and is not counted."""


@dataclass(frozen=True)
class StageTiming:
    """What a stage did in its first ``steps``.

    ``start_seconds`` pass before the first step; ``rate`` is samples/s of ``counted`` steps, in
    which the student waited for answers for ``wait_share`` of the time; ``epoch_seconds``
    (validation and checkpoint) follow an epoch, none if no epoch ended; ``total_seconds`` are those
    of the whole stage, none if it was stopped before its end.
    """

    start_seconds: float
    rate: float
    wait_share: float
    epoch_seconds: float | None
    total_seconds: float | None
    steps: int
    counted: int


class _TimeIsUp(BaseException):
    """Ends a stage as an interrupt does, so that nothing takes it for a failure of the stage."""


@dataclass
class _Stopwatch(Watcher):
    """A watcher that stops the stage after ``seconds`` of steps, or after ``most_steps``."""

    seconds: float
    most_steps: int | None
    attempt: int = 1
    started: float = 0.0
    first_step: float = 0.0
    steps_per_epoch: int = 1
    total_seconds: float | None = None

    def on_begin(self, stage: Stage, attempt: int) -> None:
        self.attempt, self.started = attempt, time.monotonic()

    def on_event(self, stage: Stage, event: Event) -> None:
        now = time.monotonic()
        match event:
            case Resumed(_, total_steps, epochs):
                self.first_step, self.steps_per_epoch = now, max(1, total_steps // epochs)
            case Advanced(step, _) | Committed(step, _) | EpochReport(_, step, _, _):
                enough = self.most_steps is not None and step >= self.most_steps
                if enough or (step >= FEWEST_STEPS and now - self.first_step >= self.seconds):
                    raise _TimeIsUp

    def on_end(self, result: StageResult) -> None:
        if result.ran:
            self.total_seconds = result.seconds


def time_stage(
    bench: Bench, stage: Stage, *, epochs: int | None = None, most_steps: int | None = None
) -> StageTiming:
    """Runs ``stage``, whose needs are stored, from its beginning; the rate is that of its steps but
    the first, at most ``most_steps``, in the first ``epochs`` epochs.

    Raises:
        UserError, ClusterError: as of a run.
    """
    watch, folder = _Stopwatch(bench.seconds, most_steps), bench.scratch.folder(stage.digest)
    bench.scratch.delete(stage.digest)
    future = bench.session.submit(bench.graph.up_to(stage), watch)
    try:
        with suppress(_TimeIsUp):
            future.result()
    finally:
        future.cancel()
    log = step_log_path(folder, watch.attempt)
    # Also the rows that no checkpoint has committed.
    whole = log.read_bytes().rfind(b"\n") + 1
    rows = [row for row in read_committed(folder, [(watch.attempt, whole)]) if row.kind == "step"]
    last = min(most_steps or len(rows), (epochs or len(rows)) * watch.steps_per_epoch)
    counted = rows[1:last] or rows[:1]
    seconds = sum(row.values["step_seconds"] for row in counted)
    return StageTiming(
        start_seconds=watch.first_step - watch.started,
        rate=sum(row.values["samples"] for row in counted) / seconds,
        wait_share=sum(row.values["wait_seconds"] for row in counted) / seconds,
        epoch_seconds=_epoch_seconds(rows, watch.steps_per_epoch),
        total_seconds=watch.total_seconds,
        steps=len(rows),
        counted=len(counted),
    )


def _epoch_seconds(rows: Sequence[Row], steps_per_epoch: int) -> float | None:
    """Seconds between the last step of an epoch and the first of the next, on average."""
    gaps = [
        (row.time_ms - before.time_ms) / 1000 - row.values["step_seconds"]
        for before, row in pairwise(rows)
        if row.step % steps_per_epoch == 0
    ]
    return max(0.0, mean(gaps)) if gaps else None

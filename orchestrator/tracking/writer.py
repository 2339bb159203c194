"""Sends a run's committed metrics and files to the tracker, on its own thread.

Who waits for whom:

=================  =============================  ========================================
who                waits for                      who frees it
=================  =============================  ========================================
executor           nothing, until ``drain``       the thread's end, or the timeout
writer's thread    a change, or the end of its    any call of the executor; ``drain``, which
                   pause after a failure          also shortens the pause
=================  =============================  ========================================

The executor writes down what the tracker should have (``Desired``); the thread compares that with
what it has sent, and sends the rest. So what is kept is bounded by the number of stages and files,
however slow the tracker is. After a failure the thread forgets what it has sent and asks the
tracker, which stores a cursor with each run; the step log is the truth and is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

from orchestrator.tracking.desired import Desired, StageProgress
from orchestrator.tracking.sent import Sent, SentStage
from orchestrator.tracking.tracker import (
    Cursor,
    Metric,
    RunSpec,
    Status,
    redact,
    score_metrics,
)
from orchestrator.tracking.windows import MOST_METRICS, CommittedMetrics, Windows
from students.errors import CheckpointError, UserError
from students.json_records import warn_once

if TYPE_CHECKING:
    from torch import Tensor, nn

    from orchestrator.tracking.mlflow_tracker import MlflowTracker

_SHORT_PAUSE = 0.25
SECONDS_WHILE_FAILING = 5.0
"""So long a run's end waits for a tracker that raises errors."""
_REASON_LENGTH = 300
_SCORES = "the scores"
_END = "the run's end"


class TrackingWriter:
    """Brings a recipe's run, its stages' metrics and its files to the tracker.

    ``connect`` is called on the writer's own thread; ``every``: steps that one mean covers;
    ``say`` is given a sentence when the tracker begins to fail; ``pause``: the first and the
    longest pause after a failure, in seconds.
    """

    def __init__(
        self,
        connect: Callable[[], MlflowTracker],
        run: RunSpec,
        every: int,
        *,
        say: Callable[[str], None] | None = None,
        pause: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._connect = connect
        self._run = run
        self._every = every
        self._say = say
        self._pause = pause
        self._failing_since: float | None = None
        self._desired = Desired()
        self._sent: Sent | None = None
        self._changed = Condition()
        self._fresh = True
        self._draining = False
        self._given_up = False
        self._unsent: tuple[str, ...] = (f"run '{run.name}': nothing was sent yet",)
        self._thread = Thread(target=self._work, name="tracking", daemon=True)

    def start(self) -> None:
        """Starts the thread, once. It connects, which takes seconds of a core; so a run calls this
        only when a stage trains."""
        with self._changed:
            if not self.started:
                self._thread.start()

    @property
    def started(self) -> bool:
        """Whether the thread has been started."""
        return self._thread.ident is not None

    def set_stage(self, stage: StageProgress) -> None:
        """Replaces what is known of a stage; one that is FINISHED commits no more rows."""
        self._change(lambda was: replace(was, stages={**was.stages, stage.spec.name: stage}))

    def add_files(self, paths: Sequence[Path]) -> None:
        """Stores files with the recipe's run."""
        self._change(lambda was: replace(was, files=(*was.files, *paths)))

    def set_scores(self, scores: Mapping[str, float], step: int = 0) -> None:
        """Stores the run's last figures as metrics of the recipe's run, once for each ``step``."""
        metrics = score_metrics(scores, step)
        self._change(lambda was: replace(was, scores=metrics))

    def set_student(self, network: nn.Module, example: Tensor, weights_sha256: str) -> None:
        """Stores the student with the recipe's run; see ``MlflowTracker.log_student``.

        It is exported when the run is over: exporting saves and restores torch's random state,
        which would reach a stage that still trains in this process.
        """
        self._change(lambda was: replace(was, student=(network, example, weights_sha256)))

    def finish(self, status: Status) -> None:
        """Sets how the whole run ended, and with it the stages that it leaves unfinished."""
        self._change(lambda was: was.ended(status))

    def drain(self, timeout: float) -> tuple[str, ...]:
        """Sends what is left and ends the thread; returns a sentence for each thing not sent.

        What was not sent is sent by the next run of the recipe.
        """
        with self._changed:
            self._draining = self._fresh = True
            self._changed.notify_all()
        self.start()
        began = time.monotonic()
        while self._thread.is_alive() and not self._is_late(began, timeout):
            self._thread.join(_SHORT_PAUSE)
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
            if self._thread.is_alive() and not self._unsent:
                return (f"the tracker gave no answer within {timeout:g} s",)
            return self._unsent

    def _is_late(self, began: float, timeout: float) -> bool:
        """Whether a wait since ``began`` is over: at once if the tracker fails for long already,
        but for one attempt."""
        now, since = time.monotonic(), self._failing_since
        failing = since is not None and now > max(since + SECONDS_WHILE_FAILING, began + 1.0)
        return failing or now > began + timeout

    def run_ids(self) -> list[str]:
        """The runs at the tracker, the recipe's first, once ``drain`` has sent everything."""
        if self._sent is None:
            return []
        return [self._sent.run_id, *(stage.run_id for stage in self._sent.stages.values())]

    def _change(self, change: Callable[[Desired], Desired]) -> None:
        with self._changed:
            self._desired = change(self._desired)
            self._fresh = True
            self._changed.notify_all()

    def _work(self) -> None:
        pause = self._pause[0]
        while (task := self._wait_for_change()) is not None:
            desired, draining = task
            unsent = tuple(self._send(desired, over=draining))
            self._note(unsent)
            with self._changed:
                self._unsent = unsent
                if not unsent and draining and not self._fresh:
                    return
            if unsent:
                self._rest(min(pause, _SHORT_PAUSE) if draining else pause)
            pause = min(2 * pause, self._pause[1]) if unsent else self._pause[0]

    def _note(self, unsent: tuple[str, ...]) -> None:
        """Notes whether the tracker fails, and says so when it begins to."""
        if not unsent:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = time.monotonic()
            if self._say is not None:
                self._say(f"{unsent[0]}; it is tried again")

    def _wait_for_change(self) -> tuple[Desired, bool] | None:
        """What the tracker should have, and whether the run is over; none when given up."""
        with self._changed:
            self._changed.wait_for(lambda: self._fresh or self._given_up)
            self._fresh = False
            return None if self._given_up else (self._desired, self._draining)

    def _rest(self, seconds: float) -> None:
        """Pauses after a failure; changes do not end the pause, the end of the run does."""
        with self._changed:
            draining = self._draining
            self._changed.wait_for(
                lambda: self._given_up or self._draining != draining, timeout=seconds
            )
            self._fresh = True

    def _send(self, desired: Desired, *, over: bool) -> list[str]:
        """Sends what the tracker lacks; a sentence for each thing that could not be sent.

        ``over``: no stage trains any more, so that the student may be exported.
        """
        unsent: list[str] = []

        @contextmanager
        def trying(label: str) -> Iterator[None]:
            try:
                yield
            except Exception as error:  # noqa: BLE001 - training never fails with the tracker
                reason = redact(str(error)).strip().partition("\n")[0][:_REASON_LENGTH]
                kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
                unsent.append(f"{label} was not sent to the tracker ({kind}{reason})")

        with trying(f"run '{self._run.name}'"):
            sent = self._sent = self._sent or self._open_run()
            for label, version, send in self._steps(sent, desired, over=over):
                with trying(label):
                    if sent.versions.get(label) != version:
                        send()
                        sent.versions[label] = version
        if unsent:
            self._sent = None
        return unsent

    def _open_run(self) -> Sent:
        tracker = self._connect()
        run = tracker.open(self._run, None)
        return Sent(tracker, run.run_id, {_END: run.status, _SCORES: run.cursor.step})

    def _steps(
        self, sent: Sent, desired: Desired, *, over: bool
    ) -> Iterator[tuple[str, object, Callable[[], None]]]:
        """The name of each thing to be sent, its version, and what sends it."""
        tracker, run_id = sent.tracker, sent.run_id
        for stage in desired.stages.values():
            yield stage.label, stage, partial(self._send_stage, sent, stage)
        for path in desired.files:
            yield f"file '{path.name}'", path, partial(tracker.log_artifact, run_id, path)
        if scores := desired.scores:
            yield _SCORES, scores[0].step + 1, partial(self._send_scores, sent, scores)
        if over and (student := desired.student) is not None:
            yield "the student", student[-1], partial(tracker.log_student, run_id, *student)
        yield _END, desired.status, partial(tracker.set_status, run_id, desired.status)

    def _send_scores(self, sent: Sent, scores: Sequence[Metric]) -> None:
        after = Cursor(step=scores[0].step + 1)
        for start in range(0, len(scores), MOST_METRICS):
            sent.tracker.log(sent.run_id, scores[start : start + MOST_METRICS], after)

    def _send_stage(self, sent: Sent, stage: StageProgress) -> None:
        name = stage.spec.name
        own = sent.stages.get(name)
        if own is None or not own.can_continue(stage.segments):
            run = sent.tracker.open(stage.spec, sent.run_id)
            if stage.scores and run.cursor.step == 0:
                sent.tracker.log(run.run_id, stage.scores, Cursor(step=1))
            windows = Windows(self._every, run.cursor)
            metrics = None if stage.folder is None else CommittedMetrics(stage.folder, windows)
            own = sent.stages[name] = SentStage(run.run_id, run.status, metrics)
        finished = stage.status == "FINISHED"
        try:
            for batch, cursor in own.read(stage.segments, finished=finished):
                sent.tracker.log(own.run_id, batch, cursor)
        except CheckpointError as error:
            # No later attempt can read it either.
            warn_once(str(error))
        if stage.status != own.status:
            sent.tracker.set_status(own.run_id, stage.status)
            own.status = stage.status

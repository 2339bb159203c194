"""Sends what a run's spools hold to the tracker: one thread, the only writer, never in the way.

Who waits for whom:

=================  =============================  ========================================
who                waits for                      who frees it
=================  =============================  ========================================
executor           nothing, until ``drain``       the thread's end, or the timeout
writer's thread    a notice, or the end of its    any call of the executor; ``drain``, which
                   pause after a failure          also shortens the pause
=================  =============================  ========================================

A notice replaces the one before it of the same stage; so what is kept is bounded by the number of
stages and files, however slow the tracker is. After a failure the thread forgets how far it was and
asks the tracker, which keeps that with the run; the spool is the truth and is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

from orchestrator.tracking.sender import Notice, Sender, StageRun, Student, Wanted
from orchestrator.tracking.tracker import Metric, RunSpec, Status, Tracker, key
from students.storage.step_log import Segment

__all__ = ["StageRun", "TrackingWriter"]

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHORT_PAUSE = 0.25


class TrackingWriter:
    """Brings a recipe's run, its stages' metrics and its files to the tracker.

    ``connect`` is called on the writer's own thread; ``every``: steps that one mean covers;
    ``pause``: the first and the longest pause after a failure, in seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Tracker],
        run: RunSpec,
        every: int,
        *,
        pause: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._wanted = Wanted()
        self._changed = Condition()
        self._fresh = True
        self._draining = False
        self._given_up = False
        self._unsent: tuple[str, ...] = (f"run '{run.name}': nothing was sent yet",)
        self._sender = Sender(connect, run, every)
        self._pause = pause
        self._thread = Thread(target=self._work, name="tracking", daemon=True)
        self._begun = False

    def register(self, stage: StageRun) -> None:
        """Makes a stage known, whether it runs now or was finished by an earlier run.

        Its run is opened at the first notice; a stage that never begins leaves none. Nor does
        this begin the thread: connecting takes seconds of a core, which a run needs that is still
        getting its processes ready.
        """
        with self._change(begins=False) as wanted:
            wanted.stages[stage.name] = stage
            wanted.notices.setdefault(stage.name, Notice())

    def notify(
        self, stage: str, segments: Sequence[tuple[int, int]], status: Status = "RUNNING"
    ) -> None:
        """Says what a registered stage has committed. FINISHED: no more will come."""
        committed = tuple(Segment(*segment) for segment in segments)
        with self._change() as wanted:
            wanted.notices[stage] = Notice(committed, status)

    def add_file(self, path: Path, folder: str = "") -> None:
        """Stores a file with the recipe's run, as it is when it is sent."""
        with self._change() as wanted:
            wanted.files[path] = folder

    def add_scores(self, scores: Mapping[str, float]) -> None:
        """Stores the run's last figures as metrics of the recipe's run, once."""
        now = time.time_ns() // 1_000_000
        metrics = tuple(Metric(key(name), value, 0, now) for name, value in scores.items())
        with self._change() as wanted:
            wanted.scores = metrics

    def add_student(self, network: nn.Module, example: Tensor, weights_sha256: str) -> None:
        """Stores the student with the recipe's run; see ``Tracker.log_student``.

        It is exported when the run is over: exporting saves and restores torch's random state,
        which would reach a stage that still trains in this process.
        """
        with self._change() as wanted:
            wanted.student = Student(network, example, weights_sha256)

    def finish(self, status: Status) -> None:
        """Says how the whole run ended, and with it the stages that it leaves unfinished."""
        with self._change() as wanted:
            wanted.status = status
            if status in ("FAILED", "KILLED"):
                for name, notice in wanted.notices.items():
                    if notice.status == "RUNNING":
                        wanted.notices[name] = Notice(notice.segments, status)

    def drain(self, timeout: float) -> tuple[str, ...]:
        """Sends what is left and ends the thread; gives a sentence for each thing not sent.

        What was not sent is sent by the next run of the recipe.
        """
        with self._changed:
            self._draining = self._fresh = True
            self._changed.notify_all()
            self._begin()
        self._thread.join(timeout)
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
            if self._thread.is_alive() and not self._unsent:
                return (f"the tracker gave no answer within {timeout:g} s",)
            return self._unsent

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._thread.start()

    @contextmanager
    def _change(self, *, begins: bool = True) -> Iterator[Wanted]:
        with self._changed:
            yield self._wanted
            self._fresh = True
            self._changed.notify_all()
            if begins:
                self._begin()

    def _work(self) -> None:
        pause = self._pause[0]
        while (task := self._next()) is not None:
            wanted, draining = task
            unsent = self._sender.send(wanted, over=draining)
            with self._changed:
                self._unsent = unsent
                if not unsent and draining and not self._fresh:
                    return
            if unsent:
                self._rest(min(pause, _SHORT_PAUSE) if draining else pause)
            pause = min(2 * pause, self._pause[1]) if unsent else self._pause[0]

    def _next(self) -> tuple[Wanted, bool] | None:
        """What is wanted, once something changed, and whether the run is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._fresh or self._given_up)
            self._fresh = False
            return None if self._given_up else (self._wanted.copy(), self._draining)

    def _rest(self, seconds: float) -> None:
        """Pauses after a failure; changes do not end the pause, the end of the run does."""
        with self._changed:
            draining = self._draining
            self._changed.wait_for(
                lambda: self._given_up or self._draining != draining, timeout=seconds
            )
            self._fresh = True

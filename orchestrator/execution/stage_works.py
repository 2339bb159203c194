"""The stages under way in a session, each once, however many graphs want it.

=====================  ===============================  ====================================
who                    waits for                        who frees it
=====================  ===============================  ====================================
a stage's thread       another process, session or      its end; ``stopping``
                       graph that has the stage
a stage's thread       one of the session's slots       the end of another stage; ``stopping``
``held``               all slots                        the ends of the stages under way
=====================  ===============================  ====================================

In this order, and room on the machine (``TeacherPool``) is the last: so no two wait for each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.execution.stage_attempts import StageAttempts
from orchestrator.planning.graph import Choice, Decision, Graph
from orchestrator.planning.stage import Stage
from students.errors import CheckpointError
from students.events import Committed, Event, Resumed
from students.storage.outcome import Outcome

if TYPE_CHECKING:
    from orchestrator.execution.session import Session

_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class StageResult:
    """A finished stage, with what is known of each of its models; ``ran`` is false if that was
    stored already."""

    stage: Stage
    outcomes: Mapping[str, Outcome]
    ran: bool
    seconds: float


class Watcher:
    """Receives what happens to the nodes of a graph, from several threads; what it does not
    override, it ignores."""

    def on_wait(self, stage: Stage) -> None:
        """The stage is under way elsewhere: in another process or session, or with other extra
        outputs for another graph."""

    def on_begin(self, stage: Stage, attempt: int) -> None:
        """Work on the stage begins or resumes."""

    def on_event(self, stage: Stage, event: Event) -> None:
        """The stage's students have reported ``event``."""

    def on_failure(self, stage: Stage, sentence: str) -> None:
        """An attempt has failed; the sentence says why, and what follows."""

    def on_end(self, result: StageResult) -> None:
        """The stage's outcome is stored."""

    def on_choice(self, choice: Choice, decision: Decision, graph: Graph) -> None:
        """A choice is decided; ``graph`` has grown by it."""


@dataclass
class StageWork:
    """A stage under way, for all who ``watch`` it; each knows it by a stage of its own, whose title
    may differ."""

    stage: Stage
    watchers: list[tuple[Stage, Watcher]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    future: Future[StageResult] = field(default_factory=Future)
    begun: int = 0
    resumed: Resumed | None = None
    step: int = 0

    def watch(self, stage: Stage, watcher: Watcher) -> None:
        """Adds a watcher, and calls it with what it has missed."""
        if self.begun:
            watcher.on_begin(stage, self.begun)
        if self.resumed is not None:
            watcher.on_event(stage, self.resumed)
        self.watchers.append((stage, watcher))

    def on_wait(self) -> None:
        """The stage is under way elsewhere."""
        self._tell(lambda stage, watcher: watcher.on_wait(stage))

    def on_begin(self, attempt: int) -> None:
        """An attempt begins."""
        self.begun, self.resumed = attempt, None
        self._tell(lambda stage, watcher: watcher.on_begin(stage, attempt))

    def on_event(self, event: Event) -> None:
        """The students have reported ``event``."""
        if isinstance(event, (Resumed, Committed)):
            self.step = event.step
        if isinstance(event, Resumed):
            self.resumed = event
        self._tell(lambda stage, watcher: watcher.on_event(stage, event))

    def on_event_again(self, event: Event) -> None:
        """The students have reported ``event`` in a training beside the stage's outcome.

        Its commits are not passed on: the stage's own step log has the same rows.
        """
        if isinstance(event, Committed):
            self.step = event.step
        else:
            self.on_event(event)

    def on_failure(self, sentence: str) -> None:
        """An attempt has failed."""
        self._tell(lambda stage, watcher: watcher.on_failure(stage, sentence))

    def _tell(self, what: Callable[[Stage, Watcher], None]) -> None:
        for stage, watcher in tuple(self.watchers):
            what(stage, watcher)


class StageWorks:
    """Starts and shares the work on stages; ``slots`` of them work at one time."""

    def __init__(self, session: Session, slots: int) -> None:
        self._session = session
        self._works: dict[tuple[str, tuple[str, ...]], StageWork] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._slots = self._free = slots

    def join(self, stage: Stage, watcher: Watcher) -> StageWork:
        """The work on ``stage``, which is begun if it is not under way with all its extra outputs;
        of two works on one stage the second waits for the first."""
        with self._lock:
            work = next(
                (
                    each
                    for (digest, extras), each in self._works.items()
                    if digest == stage.digest
                    if not each.stopping.is_set()
                    if set(stage.extras).issubset(extras)
                ),
                None,
            )
            if work is None:
                work = self._works[stage.digest, stage.extras] = StageWork(stage)
                thread = threading.Thread(
                    target=self._run, args=(work,), name=f"stage {stage.title}", daemon=True
                )
                work.watch(stage, watcher)
                thread.start()
            else:
                work.watch(stage, watcher)
            return work

    def leave(self, work: StageWork, watcher: Watcher) -> None:
        """Lets go of ``work``, which stops if no other graph wants it."""
        with self._lock:
            work.watchers = [each for each in work.watchers if each[1] is not watcher]
            if not work.watchers:
                work.stopping.set()

    def stop(self) -> None:
        """Stops all work."""
        with self._lock:
            for work in self._works.values():
                work.stopping.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """While open, no stage works."""
        with self._taken(lambda: self._free == self._slots, self._slots, threading.Event()):
            yield

    @contextmanager
    def slot(self, stopping: threading.Event) -> Iterator[None]:
        """One of the places in which stages work.

        Raises:
            KeyboardInterrupt: ``stopping`` was set while it waited.
        """
        with self._taken(lambda: self._free > 0, 1, stopping):
            yield

    @contextmanager
    def _taken(
        self, fits: Callable[[], bool], count: int, stopping: threading.Event
    ) -> Iterator[None]:
        with self._changed:
            while not fits():
                self._wait(stopping)
            self._free -= count
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()

    def _wait(self, stopping: threading.Event) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        self._changed.wait(_SECONDS_BETWEEN_LOOKS)

    def _run(self, work: StageWork) -> None:
        began, store, stage = time.monotonic(), self._session.store, work.stage
        try:
            with store.lock(stage.digest, work.on_wait, work.stopping):
                outcomes = store.finished(stage)
                ran = not outcomes
                if ran:
                    StageAttempts(self._session, self, work).run()
                    outcomes = store.finished(stage)
            if not outcomes:
                raise CheckpointError(
                    f"the outcome of stage '{stage.title}' in '{store.folder(stage.digest)}' "
                    "cannot be read, though it was stored; see that no other process deletes in "
                    "this home, and run the same command again"
                )
        except BaseException as error:  # noqa: BLE001 - its future raises it.
            self._forget(work)
            work.future.set_exception(error)
        else:
            self._forget(work)
            seconds = time.monotonic() - began if ran else 0.0
            work.future.set_result(StageResult(stage, outcomes, ran, seconds))

    def _forget(self, work: StageWork) -> None:
        with self._lock:
            key = work.stage.digest, work.stage.extras
            if self._works.get(key) is work:
                del self._works[key]

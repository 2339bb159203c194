"""The live teachers of a session: shared by the stages that ask them, ended by the last of these.

Waits for room on the machine; freed by the end of other stages, or by the stage being stopped.
Then for another stage that starts a teacher which this one wants too; freed by that start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster.runtime import STREAMS_PER_PROCESS, Demand, Handle, Place, Runtime
from orchestrator.execution.side_by_side import for_each
from teachers.config import STREAMS_PER_RANK
from teachers.serving.host import TeacherHost, TeacherSpec

MOST_READERS = STREAMS_PER_PROCESS // STREAMS_PER_RANK
"""Ranks that one process can stream to without one waiting behind another's back-pressure."""


@dataclass(frozen=True)
class WantedTeacher:
    """One replica of a teacher that a stage asks: ``title`` names it in messages. Stages that
    differ in ``precision`` do not share it, for to tune or compile it for one would hold up the
    streams of the others."""

    spec: TeacherSpec
    precision: str
    replica: int
    title: str = field(compare=False)
    demand: Demand = field(compare=False)


@dataclass
class _LiveTeacher:
    """A replica that is running or being started, in its ``place``, on a runtime that was started
    ``starts`` times; ``readers`` stream from it."""

    wanted: WantedTeacher
    place: Place
    starts: int
    handle: Future[Handle[TeacherHost]] = field(default_factory=Future)
    readers: int = 0

    def serves(self, wanted: WantedTeacher, readers: int, starts: int) -> bool:
        """Whether it is the same replica, has streams for so many readers more, and was not lost
        with the runtime, which was started ``starts`` times."""
        has_room = self.readers + readers <= MOST_READERS or self.readers == 0
        return self.wanted == wanted and has_room and self.starts == starts


class TeacherPool:
    """Starts each teacher once for all stages that want it at the same time."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._live: list[_LiveTeacher] = []
        self._lock = threading.Lock()

    @contextmanager
    def entered(
        self,
        title: str,
        ranks: Sequence[Demand],
        wanted: Sequence[WantedTeacher],
        stopping: threading.Event,
    ) -> Iterator[tuple[tuple[Place, ...], list[Handle[TeacherHost]]]]:
        """Places for the ranks of a stage, and the handles of the teachers that it wants, in order.

        The room for its ranks and for teachers that are not running yet is taken at once, so that
        no stage holds a part of what it needs while it waits for the rest.

        Raises:
            CannotPlace: the stage needs more than the machine has.
            KeyboardInterrupt: it was stopped while it waited.
        """
        places, ours, all_of_them = self._reserve(title, ranks, wanted, stopping)
        try:
            self._start(ours)
            yield places, [live.handle.result() for live in all_of_them]
        finally:
            for place in places:
                self.runtime.release(place)
            self._leave(all_of_them, len(ranks))

    def _reserve(
        self,
        title: str,
        ranks: Sequence[Demand],
        wanted: Sequence[WantedTeacher],
        stopping: threading.Event,
    ) -> tuple[tuple[Place, ...], list[_LiveTeacher], list[_LiveTeacher]]:
        readers = len(ranks)
        while True:
            with self._lock:
                missing = [each for each in wanted if self._find(each, readers) is None]
            demands = [*ranks, *(each.demand for each in missing)]
            places = self.runtime.reserve(title, demands, stopping)
            with self._lock:
                found = [(each, self._find(each, readers)) for each in wanted]
                if all(live is not None or each in missing for each, live in found):
                    return places[:readers], *self._enter(found, readers, places[readers:])
            for place in places:  # A teacher that was running has ended meanwhile.
                self.runtime.release(place)

    def _enter(
        self,
        found: Sequence[tuple[WantedTeacher, _LiveTeacher | None]],
        readers: int,
        places: Sequence[Place],
    ) -> tuple[list[_LiveTeacher], list[_LiveTeacher]]:
        free = list(places)
        ours, entered = [], []
        for wanted, live in found:
            if live is None:
                live = _LiveTeacher(wanted, free.pop(0), self.runtime.starts)
                self._live.append(live)
                ours.append(live)
            live.readers += readers
            entered.append(live)
        for place in free:  # Another stage has started the teacher meanwhile.
            self.runtime.release(place)
        return ours, entered

    def _find(self, wanted: WantedTeacher, readers: int) -> _LiveTeacher | None:
        starts = self.runtime.starts
        return next((each for each in self._live if each.serves(wanted, readers, starts)), None)

    def _start(self, ours: Sequence[_LiveTeacher]) -> None:
        def start(live: _LiveTeacher) -> None:
            try:
                handle = self.runtime.start(
                    live.place, live.wanted.title, TeacherHost, live.wanted.spec
                )
            except BaseException as error:  # noqa: BLE001 - its future raises it.
                live.handle.set_exception(error)
            else:
                live.handle.set_result(handle)

        for_each(self.runtime, start, ours)

    def _leave(self, entered: Sequence[_LiveTeacher], readers: int) -> None:
        with self._lock:
            for live in entered:
                live.readers -= readers
            over = [live for live in entered if live.readers == 0 or live.handle.exception()]
            self._live = [live for live in self._live if live not in over]
        running = [live.handle.result() for live in over if live.handle.exception() is None]
        for_each(self.runtime, self.runtime.retire, running)
        for live in over:
            self.runtime.release(live.place)

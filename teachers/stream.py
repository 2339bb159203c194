"""Waiting for teachers: a bounded look-ahead on each, order kept, closed cleanly.

Who waits for whom, and who frees them:

| waits          | for                         | freed by                                        |
|----------------|-----------------------------|-------------------------------------------------|
| a student rank | each teacher's next answer  | the answer; ``timeout`` seconds; the teacher's  |
|                |                             | loss, after which it is revived and asked again |
| a teacher      | room in its look-ahead,     | the rank taking an answer, leaving ``attend``,  |
|                | ``AHEAD`` for each stream   | or dying                                        |
| a teacher      | another rank's forward pass | the end of that pass (a lock, never held while  |
|                |                             | waiting for room)                               |
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice

from cluster.errors import RoleLost
from cluster.runtime import Handle, Stream
from students.knowledge import Answer, Knowledge, Question
from teachers.config import Fail, Wait
from teachers.ensemble import Ensemble
from teachers.errors import TeacherLost
from teachers.host import TeacherHost

AHEAD = 4
"""Answers that a teacher may have ready before the student takes the first of them."""

LESSON = 256
"""Questions sent at one time: few enough to be cheap to ask again, many enough to stream."""

MOST_REVIVALS = 3
"""Times in a row that a teacher is brought back without an answer between."""

log = logging.getLogger("stillhouse.stream")


class Replica:
    """One replica's answers to a lesson, asked again from where the student is if it is lost."""

    def __init__(
        self,
        name: str,
        handle: Handle[TeacherHost],
        questions: Sequence[Question],
        timeout: float,
        on_loss: Wait | Fail,
    ) -> None:
        self._name = name
        self._handle = handle
        self._questions = questions
        self._timeout = timeout
        self._on_loss = on_loss
        self._taken = 0
        self._stream = self._ask()

    def _ask(self) -> Stream[Answer]:
        return self._handle.stream(AHEAD, TeacherHost.answers, self._questions[self._taken :])

    def next(self) -> Answer:
        """The answer to the next question.

        Raises:
            TeacherLost: it is gone, and was not to be waited for or did not come back.
        """
        for revival in range(MOST_REVIVALS + 1):
            try:
                answer = self._stream.next(self._timeout)
            except RoleLost as lost:
                self._bring_back(revival, lost)
            else:
                self._taken += 1
                return answer
        raise AssertionError("the last revival returns or raises")

    def _bring_back(self, revival: int, lost: RoleLost) -> None:
        self._stream.close()
        if isinstance(self._on_loss, Fail) or revival == MOST_REVIVALS:
            remedy = (
                "run the same command again to go on, or set `ensemble.on_teacher_loss` to wait"
            )
            raise TeacherLost(f"teacher '{self._name}' is lost ({lost}); {remedy}") from lost
        log.warning(
            "restarting teacher '%s' (%d of %d): %s", self._name, revival + 1, MOST_REVIVALS, lost
        )
        self._handle.revive()
        self._stream = self._ask()

    def close(self) -> None:
        """Frees the teacher, however many answers were taken."""
        self._stream.close()


@dataclass(frozen=True)
class StreamedLessons:
    """Lessons from an ensemble whose teachers answer as streams, each from its replicas in turn.

    ``teachers`` holds the replicas of each teacher by name; ``timeout`` bounds, in seconds,
    the wait for one answer. Can be sent to another process.
    """

    ensemble: Ensemble
    teachers: Mapping[str, tuple[Handle[TeacherHost], ...]]
    timeout: float
    on_loss: Wait | Fail

    @contextmanager
    def attend(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        """Knowledge for each question in order; leaving frees every teacher."""
        with ExitStack() as open_streams:
            yield self._knowledge(iter(questions), open_streams)

    def _knowledge(
        self, questions: Iterator[Question], open_streams: ExitStack
    ) -> Iterator[Knowledge]:
        while lesson := list(islice(questions, LESSON)):
            asked = [self._ask(name, lesson, open_streams) for name in self.ensemble.names]
            for turn in range(len(lesson)):
                answers = [replicas[turn % len(replicas)].next() for replicas in asked]
                yield self.ensemble.gather(answers)
            # Closed here at the end of a lesson, by ``attend`` in the middle of one.
            open_streams.close()

    def _ask(self, name: str, lesson: list[Question], open_streams: ExitStack) -> list[Replica]:
        handles = self.teachers[name]
        asked = []
        for place, handle in enumerate(handles):
            part = lesson[place :: len(handles)]
            replica = Replica(name, handle, part, self.timeout, self.on_loss)
            open_streams.callback(replica.close)
            asked.append(replica)
        return asked

"""Waiting for teachers: a bounded look-ahead on each, order kept, closed cleanly.

Who waits for whom, and who frees them:

| waits          | for                         | freed by                                        |
|----------------|-----------------------------|-------------------------------------------------|
| a student rank | each teacher's next answer  | the answer; ``timeout`` seconds, which raise;   |
|                |                             | the teacher's loss, after which it is restarted |
|                |                             | and asked again                                 |
| a teacher      | room in its look-ahead,     | the rank taking an answer, leaving ``ask``,     |
|                | ``LOOK_AHEAD`` per stream   | or dying                                        |
| a teacher      | another rank's forward pass | the end of that pass (a lock, never held while  |
|                |                             | waiting for room)                               |

The next window is asked before the last answers of the current one are taken, so a rank has two
streams from each teacher at one time, and a third for a question that it has to ask alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import attrgetter

from cluster.runtime import Handle
from students.knowledge import AnswerCounts, Knowledge, Question
from teachers.client.answer_source import LOOK_AHEAD, AnswerStream, TeacherEndpoint
from teachers.config import Fail, Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

WINDOW = 256
"""Questions sent at one time: few enough to be cheap to ask again, many enough to stream."""


@dataclass(frozen=True)
class StreamedKnowledge:
    """Knowledge from an ensemble whose teachers stream their answers, each from its replicas.

    ``teachers`` holds the replicas of each teacher by name, none where all that will be asked is
    stored; ``timeout`` bounds, in seconds, the wait for one answer; ``answers`` says by name how
    a teacher computes them and where they are stored. Can be sent to another process.
    """

    ensemble: Ensemble
    teachers: Mapping[str, tuple[Handle[TeacherHost], ...]]
    timeout: float
    on_loss: Wait | Fail
    answers: Mapping[str, AnswerSpec]
    _endpoints: dict[str, TeacherEndpoint] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def ask(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        """Knowledge for each question in order; leaving frees every teacher."""
        open_windows: list[_Window] = []
        try:
            yield self._knowledge(_windows(questions), open_windows)
        finally:
            for window in open_windows:
                self._close(window)

    def counts(self) -> Mapping[str, AnswerCounts]:
        """The samples read, asked and computed for the knowledge given so far, by teacher."""
        return {
            name: AnswerCounts(**self._endpoints[name].counts)
            if name in self._endpoints
            else AnswerCounts()
            for name in self.ensemble.names
        }

    def _knowledge(
        self, windows: Iterator[list[Question]], open_windows: list[_Window]
    ) -> Iterator[Knowledge]:
        self._open_next(windows, open_windows)
        while open_windows:
            current = open_windows[0]
            count = len(current.questions)
            for left in range(count, 0, -1):
                # As soon as the teachers may have computed this window, so that they never idle.
                if left == min(LOOK_AHEAD, count):
                    self._open_next(windows, open_windows)
                question = current.questions[-left]
                answers = [stream.next() for stream in current.streams]
                yield self.ensemble.combine_answers(question, answers)
            self._close(open_windows.pop(0))

    def _open_next(self, windows: Iterator[list[Question]], open_windows: list[_Window]) -> None:
        with suppress(StopIteration):
            questions = next(windows)
            window = _Window(questions)
            open_windows.append(window)
            for name in self.ensemble.names:
                window.streams.append(AnswerStream(self._endpoint(name), questions))

    def _endpoint(self, name: str) -> TeacherEndpoint:
        if name not in self._endpoints:
            self._endpoints[name] = TeacherEndpoint(
                name, self.teachers[name], self.timeout, self.on_loss, self.answers[name]
            )
        return self._endpoints[name]

    def _close(self, window: _Window) -> None:
        for stream in window.streams:
            stream.close()


@dataclass(frozen=True)
class _Window:
    """Questions sent at one time, and each teacher's answers to them."""

    questions: Sequence[Question]
    streams: list[AnswerStream] = field(default_factory=list)


def _windows(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """At most ``WINDOW`` questions in a row about one view and the same taps."""
    for _, alike in groupby(questions, attrgetter("view", "taps")):
        while window := list(islice(alike, WINDOW)):
            yield window

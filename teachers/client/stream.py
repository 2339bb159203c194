"""Waiting for teachers: a bounded look-ahead on each, order kept, closed cleanly.

Who waits for whom, and who frees them:

| waits          | for                         | freed by                                        |
|----------------|-----------------------------|-------------------------------------------------|
| a student rank | each teacher's next answer  | the answer; ``timeout`` seconds; the teacher's  |
|                |                             | loss, after which it is revived and asked again |
| a teacher      | room in its look-ahead,     | the rank taking an answer, leaving ``ask``,     |
|                | ``LOOK_AHEAD`` per stream   | or dying                                        |
| a teacher      | another rank's forward pass | the end of that pass (a lock, never held while  |
|                |                             | waiting for room)                               |

A lesson's last answers are still to be taken when the next lesson is asked for; so a rank has
two streams from each teacher at one time, and a third for a question that it has to ask alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import attrgetter

from cluster.runtime import Handle
from students.knowledge import AnswerCounts, Knowledge, Question
from teachers.client.answer_source import LOOK_AHEAD, AnswerSpec, AnswerStream, Source
from teachers.config import Fail, Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.serving.host import TeacherHost

WINDOW = 256
"""Questions sent at one time: few enough to be cheap to ask again, many enough to stream."""

STREAMS_PER_RANK = 3
"""Streams that one rank may have from one teacher at one time."""


@dataclass(frozen=True)
class StreamedKnowledge:
    """Lessons from an ensemble whose teachers answer as streams, each from its replicas in turn.

    ``teachers`` holds the replicas of each teacher by name, none where all that will be asked is
    stored; ``timeout`` bounds, in seconds, the wait for one answer; ``kept`` says by name where
    answers are stored. Can be sent to another process.
    """

    ensemble: Ensemble
    teachers: Mapping[str, tuple[Handle[TeacherHost], ...]]
    timeout: float
    on_loss: Wait | Fail
    kept: Mapping[str, AnswerSpec] = field(default_factory=dict)
    _tally: Counter[tuple[str, str]] = field(default_factory=Counter, init=False, repr=False)
    _revived: dict[str, Counter[int]] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def ask(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        """Knowledge for each question in order; leaving frees every teacher."""
        under_way: list[_Together] = []
        try:
            yield self._knowledge(_lessons(questions), under_way)
        finally:
            for lesson in under_way:
                self._end(lesson)

    def counts(self) -> Mapping[str, AnswerCounts]:
        """What was read, asked and computed in lessons that have ended, by teacher."""
        return {
            name: AnswerCounts(
                **{each: self._tally[name, each] for each in ("read", "asked", "computed")}
            )
            for name in self.ensemble.names
        }

    def _knowledge(
        self, lessons: Iterator[list[Question]], under_way: list[_Together]
    ) -> Iterator[Knowledge]:
        self._begin_next(lessons, under_way)
        while under_way:
            current = under_way[0]
            count = len(current.questions)
            for left in range(count, 0, -1):
                # As soon as the teachers may be done with this lesson; so they never rest.
                if left == min(LOOK_AHEAD, count):
                    self._begin_next(lessons, under_way)
                question = current.questions[-left]
                answers = [each.next() for each in current.parts]
                yield self.ensemble.combine_answers(question, answers)
            self._end(under_way.pop(0))

    def _begin_next(self, lessons: Iterator[list[Question]], under_way: list[_Together]) -> None:
        with suppress(StopIteration):
            questions = next(lessons)
            lesson = _Together(questions)
            under_way.append(lesson)
            for name in self.ensemble.names:
                source = Source(
                    name,
                    self.teachers[name],
                    self.timeout,
                    self.on_loss,
                    self.kept.get(name),
                    self._revived.setdefault(name, Counter()),
                )
                lesson.parts.append(AnswerStream(source, questions))

    def _end(self, lesson: _Together) -> None:
        for name, part in zip(self.ensemble.names, lesson.parts, strict=False):
            part.close()
            for each in ("read", "asked", "computed"):
                self._tally[name, each] += getattr(part, each)


class _Together:
    """All teachers' answers to one lesson."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.parts: list[AnswerStream] = []


def _lessons(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """Runs of at most ``LESSON`` questions about one view and the same taps."""
    for _, alike in groupby(questions, attrgetter("view", "taps")):
        while lesson := list(islice(alike, WINDOW)):
            yield lesson

"""One teacher's answers to a window of questions: stored ones are read here, the others asked.

Where it waits, see ``stream``.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from cluster.errors import RoleLost, RoleSilent
from cluster.runtime import Handle, Stream
from students.knowledge import Answer, Question
from teachers.bank.reader import StoredView
from teachers.bank.sealed_file import CorruptBlocks
from teachers.config import Fail, Wait
from teachers.errors import AnswersGone, InvalidAnswer, TeacherLost, TeacherSilent
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

LOOK_AHEAD = 4
"""Answers that a teacher may have ready before the student takes the first of them."""

MAX_RESTARTS = 3
"""Restarts of a teacher in a row, without an answer in between."""

log = logging.getLogger("stillhouse.stream")


@dataclass(frozen=True)
class TeacherEndpoint:
    """One teacher as a student's rank reaches it.

    ``replicas`` may be empty where all answers are stored; ``timeout`` bounds, in seconds, the
    wait for one answer. By the index of each replica, ``restarts`` counts those, and ``slowest``
    has the longest wait, in seconds, for an answer that it got; ``counts`` are those of
    ``AnswerCounts``.
    """

    name: str
    replicas: tuple[Handle[TeacherHost], ...]
    timeout: float
    on_loss: Wait | Fail
    answers: AnswerSpec
    restarts: Counter[int] = field(default_factory=Counter)
    slowest: dict[int, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def stream(self, questions: Sequence[Question], replica: int = 0) -> ReplicaStream:
        """One replica's answers to ``questions``.

        Raises:
            AnswersGone: the teacher was not started.
        """
        if not self.replicas:
            raise AnswersGone(
                f"stored answers of teacher '{self.name}' are corrupt or were evicted, and it was "
                "not started, because all of them had been stored"
            )
        return ReplicaStream(self, replica, questions)


class ReplicaStream:
    """One replica's answers to questions, asked again from the student's position after a loss."""

    def __init__(
        self, endpoint: TeacherEndpoint, replica: int, questions: Sequence[Question]
    ) -> None:
        self._endpoint = endpoint
        self._replica = replica
        self._handle = endpoint.replicas[replica]
        self._questions = questions
        self._taken = 0
        self._stream = self._ask()

    def _ask(self) -> Stream[Answer]:
        self._restarts_when_asked = self._endpoint.restarts[self._replica]
        left, answers = self._questions[self._taken :], self._endpoint.answers
        return self._handle.stream(LOOK_AHEAD, TeacherHost.answers, left, answers)

    def next(self) -> Answer:
        """The answer to the next question.

        Raises:
            TeacherLost: the teacher is lost, and the recipe says not to wait for it, or it did
                not come back.
            InvalidAnswer: likewise for one that answers with values that are not numbers.
            TeacherSilent: no answer within the timeout, whatever the recipe says of a loss.
        """
        for attempt in range(MAX_RESTARTS + 1):
            try:
                return self._take()
            except (RoleLost, InvalidAnswer) as error:
                self._restart(attempt, error)
        raise AssertionError("the last attempt returns or raises")

    def _take(self) -> Answer:
        endpoint, began = self._endpoint, time.monotonic()
        slowest = endpoint.slowest.get(self._replica)
        try:
            answer = self._stream.next(endpoint.timeout)
        except RoleSilent as error:
            raise TeacherSilent(endpoint.name, self._replica, endpoint.timeout, slowest) from error
        self._taken += 1
        endpoint.slowest[self._replica] = max(slowest or 0.0, time.monotonic() - began)
        return answer

    def _restart(self, attempt: int, error: RoleLost | InvalidAnswer) -> None:
        self._stream.close()
        if self._restarts_when_asked != self._endpoint.restarts[self._replica]:
            # The stream of another window was lost as well, and has restarted the teacher.
            self._stream = self._ask()
            return
        name = self._endpoint.name
        if isinstance(self._endpoint.on_loss, Fail) or attempt == MAX_RESTARTS:
            if isinstance(error, InvalidAnswer):
                raise error
            raise TeacherLost(name, self._replica, str(error)) from error
        log.warning(
            "restarting teacher '%s' (%d of %d): %s", name, attempt + 1, MAX_RESTARTS, error
        )
        if isinstance(error, InvalidAnswer):
            # Its process is alive, so `revive` would not build it again.
            self._handle.call(TeacherHost.reload).result()
        else:
            self._handle.revive()
        # Waited for without a timeout: it may have to be compiled again.
        self._handle.call(TeacherHost.prepare, self._endpoint.answers).result()
        self._endpoint.restarts[self._replica] += 1
        self._stream = self._ask()

    def close(self) -> None:
        """Frees the teacher, however many answers were taken."""
        self._stream.close()


class AnswerStream:
    """A teacher's answers to a window of ``questions`` about one view and the same taps, in order.

    Questions whose answers are all sealed as the window begins are read here; the others go to
    the teacher's replicas in turn.

    Raises:
        AnswersGone: something is not stored, and the teacher was not started.
    """

    def __init__(self, endpoint: TeacherEndpoint, questions: Sequence[Question]) -> None:
        self._endpoint = endpoint
        self._questions = iter(questions)
        self._stored = _stored_view(endpoint, questions[0])
        is_stored = self._are_stored(questions)
        self._is_stored = iter(is_stored)
        asked = [each for each, stored in zip(questions, is_stored, strict=True) if not stored]
        self._streams: list[ReplicaStream] = []
        self._turn = 0
        try:
            if asked:
                count = max(1, len(endpoint.replicas))
                for index in range(count):
                    self._streams.append(endpoint.stream(asked[index::count], index))
        except BaseException:
            self.close()
            raise

    def _are_stored(self, questions: Sequence[Question]) -> list[bool]:
        if self._stored is None:
            return [False] * len(questions)
        present = self._stored.present(np.concatenate([each.sample_ids for each in questions]))
        ends = np.cumsum([len(each.sample_ids) for each in questions])[:-1]
        return [bool(part.all()) for part in np.split(present, ends)]

    def next(self) -> Answer:
        """The answer to the next question.

        Raises:
            TeacherLost, TeacherSilent, InvalidAnswer: as of a replica.
            AnswersGone: what was stored is corrupt, and the teacher was not started.
        """
        question = next(self._questions)
        if not next(self._is_stored):
            stream = self._streams[self._turn % len(self._streams)]
            self._turn += 1
            return self._counted(stream.next())
        assert self._stored is not None
        try:
            answer = Answer(self._stored.read(question.sample_ids))
        except CorruptBlocks:
            # Found only now: the one question is asked alone.
            with closing(self._endpoint.stream([question])) as alone:
                return self._counted(alone.next())
        self._endpoint.counts["read"] += len(question.sample_ids)
        return answer

    def _counted(self, answer: Answer) -> Answer:
        self._endpoint.counts["asked"] += len(answer.logits)
        self._endpoint.counts["computed"] += answer.computed
        if answer.warning:
            log.warning("%s", answer.warning)
        return answer

    def close(self) -> None:
        """Frees the teacher, however many answers were taken. May be called twice."""
        for stream in self._streams:
            stream.close()


def _stored_view(endpoint: TeacherEndpoint, question: Question) -> StoredView | None:
    """What is sealed of the question's view; None where answers are not stored whole."""
    answers = endpoint.answers
    shelf = answers.with_taps(question.taps_from(endpoint.name, answers.taps)).complete_shelf
    return None if shelf is None else StoredView(shelf, question.view)

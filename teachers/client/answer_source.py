"""One teacher's answers to one lesson: what is stored is read here, the rest asked of the teacher.

Where it waits, see ``stream``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cluster.errors import RoleLost
from cluster.runtime import Handle, Stream
from students.knowledge import Answer, Question, Tap, columns_of
from teachers.bank.reader import StoredView
from teachers.bank.sealed_file import CorruptBlocks
from teachers.bank.shelf import Shelf
from teachers.config import Fail, Wait
from teachers.errors import AnswersGone, InvalidAnswer, TeacherLost
from teachers.inference.inference_config import InferenceConfig
from teachers.serving.host import TeacherHost

LOOK_AHEAD = 4
"""Answers that a teacher may have ready before the student takes the first of them."""

MAX_RESTARTS = 3
"""Times in a row that a teacher is brought back without an answer between."""

log = logging.getLogger("stillhouse.stream")


@dataclass(frozen=True)
class AnswerSpec:
    """How a teacher is run, and what of its answers is kept where: it is told so again when it
    is brought back. Without a ``shelf`` nothing is kept."""

    inference: InferenceConfig
    taps: tuple[Tap, ...] = ()
    shelf: Shelf | None = None

    @property
    def whole(self) -> bool:
        """Whether an answer is kept whole: not so if it has taps that are not."""
        here = {column.name for column in self.shelf.columns} if self.shelf else set()
        return set(columns_of(self.taps)) <= here

    def asked(self, taps: tuple[Tap, ...]) -> AnswerSpec:
        """The same for answers that have no other taps than these."""
        shelf = self.shelf.of(columns_of(taps)) if self.shelf else None
        return replace(self, taps=taps, shelf=shelf)

    def stored(self, view: int) -> StoredView | None:
        """What is sealed of a view, if an answer can be had from there whole."""
        if self.shelf is None or not self.whole:
            return None
        return StoredView(self.shelf, view)


@dataclass(frozen=True)
class Source:
    """One teacher as a student's rank sees it: its replicas, of which there may be none where
    all is stored; ``timeout`` bounds, in seconds, the wait for one answer. ``revived`` counts
    how often each replica was brought back, by its place."""

    name: str
    handles: tuple[Handle[TeacherHost], ...]
    timeout: float
    on_loss: Wait | Fail
    kept: AnswerSpec | None = None
    revived: Counter[int] = field(default_factory=Counter)


class Replica:
    """One replica's answers to questions, asked again from where the student is if it is lost."""

    def __init__(self, source: Source, place: int, questions: Sequence[Question]) -> None:
        self._source = source
        self._place = place
        self._handle = source.handles[place]
        self._questions = questions
        self._taken = 0
        self._stream = self._ask()

    def _ask(self) -> Stream[Answer]:
        self._asked_of = self._source.revived[self._place]
        return self._handle.stream(LOOK_AHEAD, TeacherHost.answers, self._questions[self._taken :])

    def next(self) -> Answer:
        """The answer to the next question.

        Raises:
            TeacherLost: it is gone, and was not to be waited for or did not come back.
            InvalidAnswer: it answers with no number, likewise.
        """
        for revival in range(MAX_RESTARTS + 1):
            try:
                answer = self._stream.next(self._source.timeout)
            except (RoleLost, InvalidAnswer) as lost:
                self._bring_back(revival, lost)
            else:
                self._taken += 1
                return answer
        raise AssertionError("the last revival returns or raises")

    def _bring_back(self, revival: int, lost: RoleLost | InvalidAnswer) -> None:
        self._stream.close()
        if self._asked_of != self._source.revived[self._place]:
            # Lost with the other lesson's stream, which has brought the teacher back by now.
            self._stream = self._ask()
            return
        name, kept = self._source.name, self._source.kept
        if isinstance(self._source.on_loss, Fail) or revival == MAX_RESTARTS:
            if isinstance(lost, InvalidAnswer):
                raise lost
            remedy = (
                "run the same command again to go on, or set `ensemble.on_teacher_loss` to wait"
            )
            raise TeacherLost(f"teacher '{name}' is lost ({lost}); {remedy}") from lost
        log.warning("restarting teacher '%s' (%d of %d): %s", name, revival + 1, MAX_RESTARTS, lost)
        if isinstance(lost, InvalidAnswer):
            # It lives, so it would not be built anew.
            self._handle.call(TeacherHost.reload).result()
        else:
            self._handle.revive()
        if kept is not None:
            # Waited for: an answer in another manner would have other bits.
            self._handle.call(TeacherHost.adopt, kept.inference, kept.shelf).result()
        self._source.revived[self._place] += 1
        self._stream = self._ask()

    def close(self) -> None:
        """Frees the teacher, however many answers were taken."""
        self._stream.close()


class AnswerStream:
    """A source's answers to ``questions`` about one view and the same taps, in order.

    A question of which all is sealed as the lesson begins is read here; the others go to the
    source's replicas in turn.

    Raises:
        AnswersGone: something is not stored, and the teacher was not started.
    """

    def __init__(self, source: Source, questions: Sequence[Question]) -> None:
        self._source = source
        self._questions = iter(questions)
        self._kept = source.kept
        if source.kept is not None:
            first = questions[0]
            self._kept = source.kept.asked(first.taps_from(source.name, source.kept.taps))
        self._stored = self._kept.stored(questions[0].view) if self._kept else None
        self._here = iter(here := self._read_here(questions))
        asked = [each for each, stored in zip(questions, here, strict=True) if not stored]
        if asked and not source.handles:
            raise _gone(source.name)
        self._replicas: list[Replica] = []
        self._turn = 0
        self.read = self.asked = self.computed = 0
        try:
            for place in range(len(source.handles) if asked else 0):
                part = asked[place :: len(source.handles)]
                self._replicas.append(Replica(source, place, part))
        except BaseException:
            self.close()
            raise

    def _read_here(self, questions: Sequence[Question]) -> list[bool]:
        if self._stored is None:
            return [False] * len(questions)
        present = self._stored.present(np.concatenate([each.sample_ids for each in questions]))
        ends = np.cumsum([len(each.sample_ids) for each in questions])[:-1]
        return [bool(part.all()) for part in np.split(present, ends)]

    def next(self) -> Answer:
        """The answer to the next question.

        Raises:
            TeacherLost, InvalidAnswer: as of a replica.
            AnswersGone: what was stored is spoilt, and the teacher was not started.
        """
        question, here = next(self._questions), next(self._here)
        answer = self._stored_answer(question) if here else self._asked_answer()
        return self._asked_alone(question) if answer is None else answer

    def _stored_answer(self, question: Question) -> Answer | None:
        assert self._stored is not None
        try:
            columns = self._stored.read(question.sample_ids)
        except CorruptBlocks:
            return None
        self.read += len(question.sample_ids)
        return Answer(columns)

    def _asked_answer(self) -> Answer:
        replica = self._replicas[self._turn % len(self._replicas)]
        self._turn += 1
        return self._counted(replica.next())

    def _asked_alone(self, question: Question) -> Answer:
        """Asks anew what was found spoilt."""
        if not self._source.handles:
            raise _gone(self._source.name)
        replica = Replica(self._source, 0, [question])
        try:
            return self._counted(replica.next())
        finally:
            replica.close()

    def _counted(self, answer: Answer) -> Answer:
        self.asked += len(answer.logits)
        self.computed += answer.computed
        if answer.warning:
            log.warning("%s", answer.warning)
        return answer

    def close(self) -> None:
        """Frees the teacher, however many answers were taken. May be called twice."""
        for replica in self._replicas:
            replica.close()


def _gone(name: str) -> AnswersGone:
    return AnswersGone(
        f"stored answers of teacher '{name}' are spoilt or were evicted, and it was not started, "
        "since all had been there"
    )

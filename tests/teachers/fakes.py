"""A teacher without a network, whose answers identify their question."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from students.knowledge import Answer, Knowledge, Question
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec

CLASSES = 3
ASKED = AnswerSpec(plain(1))


def question(number: int) -> Question:
    """A question of two samples, which identify its number."""
    return Question(view=0, sample_ids=np.array([2 * number, 2 * number + 1], np.int64))


def number(asked: Question) -> int:
    """The number that ``question`` was made with."""
    return int(asked.sample_ids[0]) // 2


class FakeTeacher:
    """Answers with (question's number, sample id, its own mark).

    ``slow`` gives, by number, the seconds it takes to answer.
    """

    def __init__(self, mark: int, slow: dict[int, float] | None = None) -> None:
        self.mark = mark
        self.slow = slow or {}
        self.begun: list[int] = []
        self.asked: list[int] = []
        self.ended = 0

    def prepare(self, answers: AnswerSpec) -> None:
        """There is nothing to build."""

    def answers(self, questions: Sequence[Question], answers: AnswerSpec) -> Iterator[Answer]:
        self.begun.append(number(questions[0]))
        try:
            for each in questions:
                self.asked.append(number(each))
                threading.Event().wait(self.slow.get(number(each), 0.0))
                yield self.answer(each)
        finally:
            self.ended += 1

    def answer(self, asked: Question) -> Answer:
        logits = np.zeros((len(asked.sample_ids), CLASSES), np.float16)
        logits[:, 0], logits[:, 1], logits[:, 2] = number(asked), asked.sample_ids, self.mark
        return Answer({"logits": logits, "tap.layer": logits[:, :2] + np.float16(0.5)})

    def record(self) -> tuple[list[int], int, list[int]]:
        """First numbers of the streams begun, how many have ended, all numbers asked."""
        return self.begun, self.ended, self.asked


def views(knowledge: Knowledge) -> list[list[float]]:
    """For each teacher, the number and the sample ids that it answered to."""
    return [[k[0, 0].item(), *k[:, 1].tolist()] for k in knowledge.logits]


def expected(number: int, teachers: int = 1) -> list[list[float]]:
    return [[number, 2 * number, 2 * number + 1]] * teachers

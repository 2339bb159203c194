"""How often a teacher that is lost is restarted, and what is logged of it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from cluster.errors import RoleLost
from teachers.client import answer_source
from teachers.client.answer_source import MAX_RESTARTS
from teachers.client.stream import StreamedKnowledge
from teachers.config import Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.errors import TeacherLost
from teachers.weighting.constant import Uniform
from tests.teachers.fakes import ASKED, CLASSES, FakeTeacher, expected, question, views


class BreakingHandle:
    """A handle whose streams break after so many answers each; it counts restarts."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.revived = 0
        self.closed = 0

    def stream(self, ahead: int, method: Any, questions: Any, answers: Any) -> BreakingHandle:
        self.left = iter(list(FakeTeacher(0).answers(questions, answers))[: self.answers.pop(0)])
        return self

    def call(self, method: Any, answers: Any) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def next(self, timeout: float) -> Any:
        for answer in self.left:
            return answer
        raise RoleLost("role 'a' is gone: it fell")

    def revive(self) -> None:
        self.revived += 1

    def close(self) -> None:
        self.closed += 1


def answers_of(handle: BreakingHandle, count: int) -> list[list[list[float]]]:
    source = StreamedKnowledge(
        Ensemble(("a",), CLASSES, Uniform()), {"a": (handle,)}, 1.0, Wait(), {"a": ASKED}  # type: ignore[dict-item]
    )  # fmt: skip
    with source.ask(question(n) for n in range(count)) as knowledge:
        return [views(each) for each in knowledge]


def test_a_teacher_that_answers_in_between_is_restarted_any_number_of_times() -> None:
    handle = BreakingHandle([2, 1, 1, 1, 1, 1, 1])
    assert answers_of(handle, 8) == [expected(n) for n in range(8)]
    assert handle.revived == 6 > MAX_RESTARTS
    assert handle.closed == 7, "each broken stream, and the last one"


def test_a_teacher_that_fails_repeatedly_without_an_answer_raises() -> None:
    handle = BreakingHandle([1] + [0] * 10)
    with pytest.raises(TeacherLost, match="it fell"):
        answers_of(handle, 8)
    assert handle.revived == MAX_RESTARTS


def test_a_restart_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    answers_of(BreakingHandle([1, 1]), 2)
    assert [record.getMessage() for record in caplog.records] == [
        f"restarting teacher 'a' (1 of {MAX_RESTARTS}): role 'a' is gone: it fell"
    ]
    assert caplog.records[0].name == answer_source.log.name

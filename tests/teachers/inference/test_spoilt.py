"""A teacher that answers with no number: named, then gone on with as ``on_teacher_loss`` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.in_process import InProcessRuntime
from cluster.runtime import Demand
from students.knowledge import Answer, Question
from teachers.client.answer_source import MAX_RESTARTS
from teachers.client.stream import StreamedKnowledge
from teachers.config import Fail, Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.errors import InvalidAnswer
from teachers.weighting.uniform import Uniform
from tests.teachers.fakes import CLASSES, FakeTeacher, number, question

SENTENCE = "teacher 'a' answered with values that are not numbers (NaN), first to sample 6; see to"
MOODY = 3
"""The question that it cannot answer."""


class MoodyTeacher(FakeTeacher):
    """Cannot answer one question, until it was built anew often enough."""

    def __init__(self, reloads: int) -> None:
        super().__init__(0)
        self.reloads = reloads
        self.reloaded = 0

    def reload(self) -> None:
        self.reloaded += 1

    def answer(self, asked: Question) -> Answer:
        if number(asked) == MOODY and self.reloaded < self.reloads:
            raise InvalidAnswer(SENTENCE, path="teachers.a")
        return super().answer(asked)


@pytest.fixture
def runtime() -> Iterator[InProcessRuntime]:
    runtime = InProcessRuntime()
    yield runtime
    runtime.close()


def taught(runtime: InProcessRuntime, moody: MoodyTeacher, on_loss: Wait | Fail) -> list[int]:
    """The numbers of the questions that were answered."""
    handle = runtime.start(Demand(), "a", lambda: moody)
    ensemble = Ensemble(("a",), CLASSES, Uniform())
    lessons = StreamedKnowledge(ensemble, {"a": (handle,)}, 5.0, on_loss)  # type: ignore[dict-item]
    with lessons.ask([question(n) for n in range(6)]) as knowledge:
        return [int(each.logits[0, 0, 0]) for each in knowledge]


def test_it_is_built_anew_and_asked_again_where_the_student_is(
    runtime: InProcessRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    moody = MoodyTeacher(reloads=2)
    assert taught(runtime, moody, Wait()) == [0, 1, 2, 3, 4, 5]
    assert moody.reloaded == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"restarting teacher 'a' ({turn} of {MAX_RESTARTS}): {SENTENCE}" for turn in (1, 2)
    ]


@pytest.mark.parametrize(("on_loss", "reloaded"), [(Wait(), MAX_RESTARTS), (Fail(), 0)])
def test_it_ends_with_the_sentence_when_that_does_not_help_or_is_not_wanted(
    runtime: InProcessRuntime, on_loss: Wait | Fail, reloaded: int
) -> None:
    moody = MoodyTeacher(reloads=MAX_RESTARTS + 1)
    with pytest.raises(InvalidAnswer) as caught:
        taught(runtime, moody, on_loss)
    assert str(caught.value) == SENTENCE
    assert moody.reloaded == reloaded

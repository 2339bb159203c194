"""An answer that is no number is reported, and the run continues as ``on_teacher_loss`` says."""

from __future__ import annotations

import pytest

from cluster.in_process import InProcessRuntime
from cluster.runtime import Demand
from students.knowledge import Answer, Question
from teachers.client.answer_source import MAX_RESTARTS
from teachers.client.stream import StreamedKnowledge
from teachers.config import Fail, Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.errors import InvalidAnswer
from teachers.weighting.constant import Uniform
from tests.teachers.fakes import ASKED, CLASSES, FakeTeacher, number, question

SENTENCE = "teacher 'a' answered with values that are not numbers (NaN), first to sample 6; check"
INVALID = 3
"""The question that is answered with no number."""


class BrokenTeacher(FakeTeacher):
    """Answers one question with no number, until it was reloaded often enough."""

    def __init__(self, reloads: int) -> None:
        super().__init__(0)
        self.reloads = reloads
        self.reloaded = 0

    def reload(self) -> None:
        self.reloaded += 1

    def answer(self, asked: Question) -> Answer:
        if number(asked) == INVALID and self.reloaded < self.reloads:
            raise InvalidAnswer(SENTENCE, path="teachers.a")
        return super().answer(asked)


def taught(runtime: InProcessRuntime, teacher: BrokenTeacher, on_loss: Wait | Fail) -> list[int]:
    """The numbers of the questions that were answered."""
    handle = runtime.start(Demand(), "a", lambda: teacher)
    ensemble = Ensemble(("a",), CLASSES, Uniform())
    source = StreamedKnowledge(
        ensemble, {"a": (handle,)}, 5.0, on_loss, {"a": ASKED}  # type: ignore[dict-item]
    )  # fmt: skip
    with source.ask([question(n) for n in range(6)]) as knowledge:
        return [int(each.logits[0, 0, 0]) for each in knowledge]


def test_the_teacher_is_reloaded_and_asked_again_from_the_students_cursor(
    in_process_runtime: InProcessRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = BrokenTeacher(reloads=2)
    assert taught(in_process_runtime, teacher, Wait()) == [0, 1, 2, 3, 4, 5]
    assert teacher.reloaded == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"restarting teacher 'a' ({turn} of {MAX_RESTARTS}): {SENTENCE}" for turn in (1, 2)
    ]


@pytest.mark.parametrize(("on_loss", "reloaded"), [(Wait(), MAX_RESTARTS), (Fail(), 0)])
def test_the_run_ends_with_the_sentence_where_that_does_not_help_or_is_not_wanted(
    in_process_runtime: InProcessRuntime, on_loss: Wait | Fail, reloaded: int
) -> None:
    teacher = BrokenTeacher(reloads=MAX_RESTARTS + 1)
    with pytest.raises(InvalidAnswer) as caught:
        taught(in_process_runtime, teacher, on_loss)
    assert str(caught.value) == SENTENCE
    assert teacher.reloaded == reloaded

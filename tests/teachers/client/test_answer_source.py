"""Which answers a rank reads from the bank and which it asks for; what is corrupt is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.errors import RoleLost
from students.knowledge import Answer, AnswerCounts, Question
from teachers.bank.columns import Column
from teachers.bank.shelf import Shelf, prepare_shelf, sealed_path
from teachers.bank.writer import LiveView
from teachers.client.stream import WINDOW, StreamedKnowledge
from teachers.config import Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.errors import AnswersGone
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec
from teachers.weighting.constant import Uniform
from tests.teachers.fakes import CLASSES

SAMPLES, EACH = 600, 2
LOGITS = Column("logits", (CLASSES,))


def truth(ids: np.ndarray, view: int) -> np.ndarray:
    return np.stack([ids + 0.0, ids * 0.0 + view, ids % 7], axis=1).astype(np.float16)


def asked(number: int, view: int = 0) -> Question:
    return Question(view, np.arange(EACH * number, EACH * (number + 1), dtype=np.int64))


class RecordingHandle:
    """A handle of a fake teacher that records its questions, a list for each stream.

    Its stream breaks after ``breaks`` answers, once.
    """

    def __init__(self, breaks: int | None = None, warning: str = "") -> None:
        self.windows: list[list[int]] = []
        self.specs: list[AnswerSpec] = []
        self.revived = 0
        self.breaks = breaks
        self.warning = warning

    def stream(
        self, ahead: int, method: Any, questions: Sequence[Question], answers: AnswerSpec
    ) -> Stream:
        self.specs.append(answers)
        self.windows.append([int(each.sample_ids[0]) // EACH for each in questions])
        breaks, self.breaks = self.breaks, None
        return Stream(iter(questions), breaks, self)

    def revive(self) -> None:
        self.revived += 1

    def call(self, method: Any, answers: AnswerSpec) -> RecordingHandle:
        return self

    def result(self) -> None:
        """Done at once."""


class Stream:
    def __init__(
        self, left: Iterator[Question], breaks: int | None, handle: RecordingHandle
    ) -> None:
        self.left, self.breaks, self.handle = left, breaks, handle

    def next(self, timeout: float) -> Answer:
        if self.breaks == 0:
            raise RoleLost("it fell")
        if self.breaks is not None:
            self.breaks -= 1
        question = next(self.left)
        warning, self.handle.warning = self.handle.warning, ""
        logits = truth(question.sample_ids, question.view)
        return Answer({"logits": logits}, computed=1, warning=warning)

    def close(self) -> None:
        """There is nothing to free."""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "bank" / "ab"
    prepare_shelf(folder, {"format": 1})
    return Shelf(folder, "cd" * 32, SAMPLES, 10**9, (LOGITS,))


def store(shelf: Shelf, view: int, ids: np.ndarray) -> None:
    fresh = LiveView(shelf, view)
    fresh.append(ids, {"logits": truth(ids, view)})
    fresh.close()


def source_of(shelf: Shelf | None, *handles: RecordingHandle) -> StreamedKnowledge:
    kept = {"a": AnswerSpec(plain(1), (), shelf)}
    ensemble = Ensemble(("a",), CLASSES, Uniform())
    return StreamedKnowledge(ensemble, {"a": handles}, 1.0, Wait(), kept)  # type: ignore[dict-item]


def counts_after(source: StreamedKnowledge, questions: Sequence[Question]) -> AnswerCounts:
    with source.ask(questions) as knowledge:
        for question, each in zip(questions, knowledge, strict=True):
            assert np.array_equal(each.logits[0], truth(question.sample_ids, question.view))
    return source.counts()["a"]


def test_questions_whose_answers_are_all_stored_are_read_and_the_rest_asked_in_order(
    shelf: Shelf,
) -> None:
    store(shelf, 0, np.delete(np.arange(20), [5, 6, 13]))
    handle = RecordingHandle()
    assert counts_after(source_of(shelf, handle), [asked(n) for n in range(10)]) == AnswerCounts(
        14, 6, 3
    )
    assert handle.windows == [[2, 3, 6]]


def test_replicas_share_the_questions_that_are_asked(shelf: Shelf) -> None:
    store(shelf, 0, np.arange(8))
    one, other = RecordingHandle(), RecordingHandle()
    counts_after(source_of(shelf, one, other), [asked(n) for n in range(10)])
    assert (one.windows, other.windows) == ([[4, 6, 8]], [[5, 7, 9]])


def test_a_window_ends_where_the_view_changes(shelf: Shelf) -> None:
    store(shelf, 1, np.arange(6))
    handle = RecordingHandle()
    questions = [asked(n, view) for view in (0, 1, 2) for n in range(3)]
    assert counts_after(source_of(shelf, handle), questions) == AnswerCounts(6, 12, 6)
    assert handle.windows == [[0, 1, 2], [0, 1, 2]]


def test_no_teacher_is_needed_where_all_is_stored(shelf: Shelf) -> None:
    store(shelf, 0, np.arange(SAMPLES))
    questions = [asked(n) for n in range(SAMPLES // EACH)]
    assert len(questions) > WINDOW
    assert counts_after(source_of(shelf), questions) == AnswerCounts(read=SAMPLES)


def test_missing_answers_of_a_teacher_that_was_not_started_raise(shelf: Shelf) -> None:
    store(shelf, 0, np.arange(10))
    with pytest.raises(AnswersGone, match="stored answers of teacher 'a' are corrupt or were"):
        counts_after(source_of(shelf), [asked(n) for n in range(6)])


def flip(shelf: Shelf) -> None:
    path = sealed_path(shelf.view_folder(0), "logits")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_corrupt_answers_are_asked_for_one_by_one(shelf: Shelf) -> None:
    store(shelf, 0, np.arange(8))
    flip(shelf)
    handle = RecordingHandle()
    assert counts_after(source_of(shelf, handle), [asked(n) for n in range(5)]) == AnswerCounts(
        0, 10, 5
    )
    assert handle.windows == [[4], [0], [1], [2], [3]]


def test_corrupt_answers_of_a_teacher_that_was_not_started_raise(shelf: Shelf) -> None:
    store(shelf, 0, np.arange(8))
    flip(shelf)
    with pytest.raises(AnswersGone):
        counts_after(source_of(shelf), [asked(n) for n in range(4)])


def test_a_restarted_teacher_is_asked_in_the_same_way_for_what_is_left(shelf: Shelf) -> None:
    handle = RecordingHandle(breaks=2)
    counts_after(source_of(shelf, handle), [asked(n) for n in range(5)])
    assert handle.revived == 1
    assert handle.specs == [AnswerSpec(plain(1), (), shelf)] * 2
    assert handle.windows == [[0, 1, 2, 3, 4], [2, 3, 4]]


def test_a_teachers_warning_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    counts_after(
        source_of(None, RecordingHandle(warning="the disk is full")), [asked(n) for n in range(5)]
    )
    assert [record.getMessage() for record in caplog.records] == ["the disk is full"]


def test_the_next_window_is_asked_before_the_last_answers_are_taken() -> None:
    handle = RecordingHandle()
    with source_of(None, handle).ask([asked(n, view=n // 10) for n in range(30)]) as knowledge:
        for number, _ in enumerate(knowledge):
            assert len(handle.windows) == 1 + (number + 4) // 10 - (number >= 26)

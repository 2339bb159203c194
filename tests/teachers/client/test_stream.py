"""What streams guarantee on every runtime: order, bounded look-ahead, replicas, restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch

from cluster.runtime import Demand, Handle, Runtime
from teachers.client.answer_source import LOOK_AHEAD
from teachers.client.stream import WINDOW, StreamedKnowledge
from teachers.config import Fail, Wait
from teachers.ensemble.ensemble import Ensemble
from teachers.errors import TeacherLost, TeacherSilent
from teachers.weighting.constant import Uniform
from tests.teachers.fakes import ASKED, CLASSES, FakeTeacher, expected, question, views

MakeSource = Callable[..., StreamedKnowledge]


@pytest.fixture
def make_source(runtime: Runtime) -> Iterator[MakeSource]:
    """Makes sources of teachers a, b, ..., with so many replicas each, numbered by marks."""
    handles: list[Handle[Any]] = []

    def begin(
        *replicas: int,
        slow: dict[int, float] | None = None,
        timeout: float = 20.0,
        on_loss: Wait | Fail | None = None,
    ) -> StreamedKnowledge:
        names = tuple("abcdef"[: len(replicas)])
        teachers: dict[str, Any] = {}
        for name, count in zip(names, replicas, strict=True):
            started = [
                runtime.start(
                    Demand(cpus=0.5), name, FakeTeacher, len(handles) + place,
                    slow if name == "a" else None,
                )
                for place in range(count)
            ]  # fmt: skip
            handles.extend(started)
            teachers[name] = tuple(started)
        ensemble = Ensemble(names, CLASSES, Uniform())
        answers = dict.fromkeys(names, ASKED)
        return StreamedKnowledge(ensemble, teachers, timeout, on_loss or Wait(), answers)

    yield begin
    for handle in handles:
        runtime.retire(handle)


def record_of(source: StreamedKnowledge, name: str = "a", replica: int = 0) -> Any:
    handle: Any = source.teachers[name][replica]
    return handle.control(FakeTeacher.record).result(timeout=20)


def until(claim: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_stream_keeps_order_when_the_first_teacher_is_slow(make_source: MakeSource) -> None:
    source = make_source(1, 1, slow={0: 0.3, 5: 0.1})
    with source.ask(question(n) for n in range(9)) as knowledge:
        assert [views(each) for each in knowledge] == [expected(n, 2) for n in range(9)]


def test_taps_come_with_the_answers_under_the_teachers_name(make_source: MakeSource) -> None:
    source = make_source(1, 1)
    with source.ask([question(3)]) as knowledge:
        (only,) = knowledge
    for name in "ab":
        assert torch.equal(only.taps[name]["layer"], torch.tensor([[3.5, 6.5], [3.5, 7.5]]))


def test_replicas_answer_in_turn(make_source: MakeSource) -> None:
    source = make_source(2, 1)
    with source.ask(question(n) for n in range(5)) as knowledge:
        seen = list(knowledge)
    assert [views(each) for each in seen] == [expected(n, 2) for n in range(5)]
    marks = [[int(mark) for mark in each.logits[:, 0, 2]] for each in seen]
    assert marks == [[0, 2], [1, 2], [0, 2], [1, 2], [0, 2]]
    assert record_of(source, "a", 1)[2] == [1, 3]


def test_there_may_be_more_replicas_than_questions(make_source: MakeSource) -> None:
    with make_source(2).ask([question(0)]) as knowledge:
        assert [views(each) for each in knowledge] == [expected(0)]


def test_no_questions_give_no_knowledge(make_source: MakeSource) -> None:
    with make_source(1).ask([]) as knowledge:
        assert list(knowledge) == []


@pytest.mark.parametrize("way", ["leaves", "fails"])
def test_leaving_in_mid_stream_frees_every_teacher_at_once(
    make_source: MakeSource, way: str
) -> None:
    source = make_source(2, 1)
    seconds = []
    for _ in range(3):
        with suppress(ZeroDivisionError), source.ask(question(n) for n in range(200)) as knowledge:
            assert views(next(knowledge)) == expected(0, 2)
            if way == "fails":
                raise ZeroDivisionError
        begun = time.monotonic()
        with source.ask([question(7), question(8)]) as knowledge:
            assert [views(each) for each in knowledge] == [expected(7, 2), expected(8, 2)]
        seconds.append(time.monotonic() - begun)
    # Ray by itself looks once a second whether a stream was cancelled; the fastest of some, for
    # the machine may be busy.
    assert min(seconds) < 0.6
    for name, replica in (("a", 0), ("b", 0)):
        assert until(lambda n=name, r=replica: record_of(source, n, r)[1] == 6)  # type: ignore[misc]


def test_a_teacher_computes_a_bounded_number_of_answers_ahead(
    make_source: MakeSource, runtime: Runtime
) -> None:
    source = make_source(1)
    ahead = LOOK_AHEAD if runtime.parallel else 0
    with source.ask(question(n) for n in range(100)) as knowledge:
        for _ in range(3):
            next(knowledge)
        assert until(lambda: len(record_of(source)[2]) == 3 + ahead)
        time.sleep(0.1)
        assert len(record_of(source)[2]) == 3 + ahead


def test_two_ranks_ask_at_the_same_time(make_source: MakeSource, runtime: Runtime) -> None:
    handle = runtime.start(Demand(cpus=0.5), "a", FakeTeacher, 0)
    source = StreamedKnowledge(
        Ensemble(("a",), CLASSES, Uniform()), {"a": (handle,)}, 20.0, Wait(), {"a": ASKED}  # type: ignore[dict-item]
    )  # fmt: skip
    try:
        with (
            source.ask(question(n) for n in range(50)) as one,
            source.ask(question(n) for n in range(50, 100)) as other,
        ):
            for n in range(20):
                assert views(next(one)) == expected(n)
                assert views(next(other)) == expected(50 + n)
    finally:
        runtime.retire(handle)


def test_more_questions_than_a_window_are_asked_window_by_window(make_source: MakeSource) -> None:
    source, asked = make_source(2), []

    def questions():  # type: ignore[no-untyped-def]
        for number in range(2 * WINDOW + 30):
            asked.append(number)
            yield question(number)

    with source.ask(questions()) as knowledge:
        for number, each in enumerate(knowledge):
            assert views(each) == expected(number)
            # The next window is asked as soon as teachers may have computed this one.
            assert len(asked) <= ((number + LOOK_AHEAD) // WINDOW + 1) * WINDOW
    assert number == 2 * WINDOW + 29
    for replica in range(2):
        assert until(lambda r=replica: record_of(source, "a", r)[1] == 3)  # type: ignore[misc]
        assert record_of(source, "a", replica)[0] == [replica + WINDOW * n for n in range(3)]


def test_a_killed_teacher_is_restarted_and_continues_at_the_students_position(
    make_source: MakeSource, runtime: Runtime
) -> None:
    source = make_source(2)
    with source.ask(question(n) for n in range(60)) as knowledge:
        seen = [views(next(knowledge)) for _ in range(11)]
        runtime.kill(source.teachers["a"][1])
        seen += [views(each) for each in knowledge]
    assert seen == [expected(n) for n in range(60)]
    # What it had made ahead of its student may still have been taken from it.
    [begun], _, asked = record_of(source, "a", 1)
    assert 11 <= begun <= 11 + 2 * LOOK_AHEAD
    assert asked == list(range(begun, 60, 2))
    assert record_of(source, "a", 0)[0] == [0], "the other replica never noticed"


def test_a_killed_teacher_raises_under_on_teacher_loss_fail(
    make_source: MakeSource, runtime: Runtime
) -> None:
    source = make_source(1, on_loss=Fail())
    with source.ask(question(n) for n in range(60)) as knowledge:
        next(knowledge)
        runtime.kill(source.teachers["a"][0])
        with pytest.raises(TeacherLost, match=r"teacher 'a' is lost .*on_teacher_loss") as caught:
            list(knowledge)
    assert (caught.value.teacher, caught.value.replica) == ("a", 0)


# In one process there is no waiting.
@pytest.mark.parametrize("runtime", ["local"], indirect=True)
@pytest.mark.parametrize("on_loss", [Wait(), Fail()], ids=["wait", "fail"])
def test_a_silent_replica_is_named_within_the_timeout_and_not_restarted_by_its_rank(
    make_source: MakeSource, runtime: Runtime, on_loss: Wait | Fail
) -> None:
    source = make_source(2, slow={3: 30.0}, timeout=1.0, on_loss=on_loss)
    with source.ask(question(n) for n in range(5)) as knowledge:
        assert [views(next(knowledge)) for _ in range(3)] == [expected(n) for n in range(3)]
        with pytest.raises(TeacherSilent) as caught:
            next(knowledge)
    silent = caught.value
    assert (silent.teacher, silent.replica, silent.seconds) == ("a", 1, 1.0)
    assert silent.slowest is not None and 0 < silent.slowest <= 1.0
    assert source._endpoints["a"].restarts.total() == 0
    runtime.kill(source.teachers["a"][1])


def test_an_answer_is_not_overwritten_by_the_next_one(make_source: MakeSource) -> None:
    with make_source(1).ask(question(n) for n in range(3)) as knowledge:
        first = next(knowledge)
        kept = first.logits.clone()
        list(knowledge)
    assert np.array_equal(first.logits, kept)

"""What every runtime promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.errors import ClusterError, RoleLost
from cluster.runtime import Demand, Handle, Runtime
from tests.cluster.roles import Counter, Unlucky

Start = Callable[..., Handle[Counter]]


@pytest.fixture
def start(runtime: Runtime) -> Iterator[Start]:
    handles: list[Handle[Any]] = []

    def begin(*args: Any, **kwargs: Any) -> Handle[Counter]:
        handles.append(runtime.start(Demand(), "counter", Counter, *args, **kwargs))
        return handles[-1]

    yield begin
    for handle in handles:
        runtime.retire(handle)


def until(claim: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_calls_reach_the_role_in_order_and_its_state_stays(start: Start) -> None:
    counter = start(10)
    futures = [counter.call(Counter.add, amount) for amount in (1, 2, 3)]
    assert [future.result(timeout=20) for future in futures] == [11, 13, 16]
    assert futures[0].result() == 11, "an answer can be read again"


def test_control_answers_beside_a_stream_without_a_reader(start: Start) -> None:
    counter = start()
    stream = counter.stream(1, Counter.count, 0, 100)
    assert stream.next(timeout=20) == 0
    assert counter.control(Counter.add, 5).result(timeout=20) == 5
    stream.close()


def test_a_stream_keeps_order_and_ends(start: Start) -> None:
    stream = start().stream(3, Counter.count, 4, 9)
    assert [stream.next(timeout=20) for _ in range(5)] == [4, 5, 6, 7, 8]
    for _ in range(2):
        with pytest.raises(StopIteration):
            stream.next(timeout=20)


def test_a_stream_works_a_bounded_number_ahead(start: Start, runtime: Runtime) -> None:
    counter = start()
    stream = counter.stream(3, Counter.count, 0, 100)
    ahead = 3 if runtime.parallel else 0

    def made() -> int:
        return counter.control(Counter.progress).result(timeout=20)[0]

    assert until(lambda: made() == ahead)
    for _ in range(2):
        stream.next(timeout=20)
    assert until(lambda: made() == 2 + ahead)
    time.sleep(0.1)
    assert made() == 2 + ahead
    stream.close()


def test_a_stream_closed_midway_frees_the_role_at_once(start: Start) -> None:
    counter = start()
    seconds = []
    for _ in range(3):
        stream = counter.stream(2, Counter.count, 0, 100)
        stream.next(timeout=20)
        stream.close()
        stream.close()
        begun = time.monotonic()
        again = counter.stream(2, Counter.count, 0, 3)
        assert [again.next(timeout=20) for _ in range(3)] == [0, 1, 2]
        seconds.append(time.monotonic() - begun)
    # Ray by itself looks up once a second; the fastest of some, for the machine may be busy.
    assert min(seconds) < 0.6
    assert until(lambda: counter.control(Counter.progress).result(timeout=20)[1] >= 1)
    with pytest.raises(StopIteration):
        stream.next(timeout=20)


def test_errors_keep_their_type_and_contents(start: Start) -> None:
    counter = start()
    future = counter.call(Counter.fail)
    with pytest.raises(Unlucky) as caught:
        future.result(timeout=20)
    assert caught.value.often == 13
    assert counter.call(Counter.add, 1).result(timeout=20) == 1, "the role lives on"


def test_errors_of_a_stream_come_after_its_answers(start: Start) -> None:
    stream = start().stream(5, Counter.count_then_fail, 2)
    assert [stream.next(timeout=20), stream.next(timeout=20)] == [0, 1]
    with pytest.raises(Unlucky, match="at the end"):
        stream.next(timeout=20)


def test_errors_of_a_constructor_are_raised_where_the_role_is_started(start: Start) -> None:
    with pytest.raises(Unlucky, match="at birth"):
        start(fail=True)


def test_a_killed_role_is_lost_until_it_is_revived_from_its_arguments(
    start: Start, runtime: Runtime
) -> None:
    counter = start(7)
    assert counter.call(Counter.add, 1).result(timeout=20) == 8
    runtime.kill(counter)
    with pytest.raises(RoleLost, match="'counter'"):
        counter.call(Counter.add, 1).result(timeout=20)
    counter.revive()
    counter.revive()
    assert counter.call(Counter.add, 1).result(timeout=20) == 8


def test_a_stream_of_a_killed_role_is_lost_and_begins_anew_where_its_reader_is(
    start: Start, runtime: Runtime
) -> None:
    counter = start()
    stream = counter.stream(1, Counter.count, 0, 100)
    taken = [stream.next(timeout=20)]
    runtime.kill(counter)
    with pytest.raises(RoleLost):
        while True:
            taken.append(stream.next(timeout=20))
    counter.revive()
    again = counter.stream(1, Counter.count, len(taken), 100)
    taken += [again.next(timeout=20) for _ in range(3)]
    assert taken == list(range(len(taken)))
    again.close()


def test_handles_work_inside_roles(start: Start) -> None:
    teacher, student = start(100), start()
    assert student.call(Counter.ask, teacher, 5).result(timeout=20) == 105
    assert student.call(Counter.read, teacher, 4).result(timeout=20) == [0, 1, 2, 3]


def test_a_retired_role_is_gone_for_good(start: Start, runtime: Runtime) -> None:
    counter, other = start(), start(50)
    runtime.retire(counter)
    runtime.retire(counter)
    with pytest.raises(RoleLost):
        counter.call(Counter.add, 1).result(timeout=20)
    with pytest.raises(RoleLost):
        counter.revive()
    assert other.call(Counter.add, 1).result(timeout=20) == 51


def test_all_places_of_several_roles_are_taken_together_and_used_once(runtime: Runtime) -> None:
    runtime.grow(16)
    one, two, three = runtime.reserve("stage", [Demand(), Demand(cpus=2), Demand(cpus=13)])
    assert two.demand.cpus == 2
    counter = runtime.start(one, "counter", Counter, 4)
    assert counter.call(Counter.add, 1).result(timeout=20) == 5
    runtime.release(one)
    runtime.release(two)
    runtime.release(two)
    with pytest.raises(Unlucky):
        runtime.start(three, "counter", Counter, fail=True)
    runtime.release(three)
    [rest] = runtime.reserve("rest", [Demand(cpus=15)])
    runtime.release(rest)
    runtime.retire(counter)
    [whole] = runtime.reserve("whole", [Demand(cpus=16)])
    runtime.release(whole)


def test_a_role_responds_until_it_is_gone(start: Start, runtime: Runtime) -> None:
    counter = start()
    assert counter.responds(20)
    runtime.kill(counter)
    assert not counter.responds(20)
    counter.revive()
    assert counter.responds(20)
    runtime.retire(counter)
    assert not counter.responds(20)


def test_a_stream_has_room_for_one_answer_at_least(start: Start) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        start().stream(0, Counter.count, 0, 1)


def test_a_stranger_is_no_handle(runtime: Runtime) -> None:
    with pytest.raises(ClusterError, match="not started by this runtime"):
        runtime.retire(object())  # type: ignore[arg-type]

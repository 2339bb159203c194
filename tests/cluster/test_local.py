"""What the runtime of one machine promises beyond the contract."""

from __future__ import annotations

import gc
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from cluster.errors import CannotPlace, ClusterError, RoleLost, RoleSilent
from cluster.ray.handle import RayHandle
from cluster.ray.local_runtime import LocalRuntime
from cluster.runtime import STREAMS_PER_PROCESS, Demand, Handle, Stream
from tests.cluster.roles import Counter, Unlucky

Start = Callable[..., Handle[Counter]]


@pytest.fixture
def start(local_runtime: LocalRuntime) -> Iterator[Start]:
    handles: list[Handle[Any]] = []

    def begin(*args: Any, demand: Demand | None = None, **kwargs: Any) -> Handle[Counter]:
        demand = demand or Demand()
        handles.append(local_runtime.start(demand, "counter", Counter, *args, **kwargs))
        return handles[-1]

    yield begin
    for handle in handles:
        local_runtime.retire(handle)


def pid_of(counter: Handle[Counter]) -> int:
    return int(str(counter.control(Counter.where).result(timeout=20)["pid"]))


def test_every_socket_is_on_loopback(start: Start) -> None:
    start()
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 3
    assert set(listening) == {"127.0.0.1"}


def test_the_token_is_ours_alone(local_runtime: LocalRuntime) -> None:
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    assert len(token.read_text()) == 64


def test_nobody_else_can_enter_where_ray_and_the_roles_have_their_files(start: Start) -> None:
    role = start().call(Counter.where).result(timeout=20)
    folder = Path(str(role["folder"])).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    opened = {
        Path(each.path)
        for process in psutil.Process().children(recursive=True)
        for each in process.open_files()
    }
    sockets = {
        Path(each.laddr.lstrip("\0"))
        for process in psutil.Process().children(recursive=True)
        for each in process.net_connections(kind="unix")
        if each.laddr
    }
    places = {*opened, *sockets, *folder.rglob("*")}
    assert len(sockets) >= 2
    open_to_others = [
        place
        for place in places
        if place.exists() and not place.is_relative_to(folder)
        if not place.is_relative_to("/dev") and stat.S_IMODE(place.stat().st_mode) & 0o022
    ]
    assert open_to_others == []
    assert not {place for place in places if place.is_relative_to("/tmp/ray")}


def test_a_role_keeps_the_memory_it_frees_for_what_it_takes_next(start: Start) -> None:
    in_all = 10 * 2**25 // os.sysconf("SC_PAGESIZE")
    assert start().call(Counter.faults).result(timeout=20) < in_all / 20


def test_a_retired_roles_process_serves_the_next_one(
    start: Start, local_runtime: LocalRuntime
) -> None:
    demand = Demand(environment={"STILLHOUSE_POOL": "a"})
    first = start(1, demand=demand)
    process = pid_of(first)
    local_runtime.retire(first)
    second = start(2, demand=demand)
    assert pid_of(second) == process
    assert second.call(Counter.add, 0).result(timeout=20) == 2
    with pytest.raises(RoleLost, match="retired"):
        first.call(Counter.add, 1).result(timeout=20)
    with pytest.raises(RoleLost, match="retired"):
        first.revive()


def test_a_role_whose_calls_do_not_end_loses_its_process(
    start: Start, local_runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.ray.local_runtime._GRACE_SECONDS", 0.1)
    demand = Demand(environment={"STILLHOUSE_POOL": "b"})
    stuck = start(demand=demand)
    process = pid_of(stuck)
    stuck.call(Counter.nap, 60)
    stuck.control(Counter.progress).result(timeout=20)
    local_runtime.retire(stuck)
    assert pid_of(start(demand=demand)) != process


def test_environment_is_set_before_the_process_starts_and_is_not_shared(start: Start) -> None:
    two = start(demand=Demand(environment={"OMP_NUM_THREADS": "2"}))
    plain = start()
    assert two.call(Counter.where).result(timeout=20)["threads"] == "2"
    assert pid_of(two) != pid_of(plain)


def test_warm_processes_run_before_a_role_starts(start: Start, local_runtime: LocalRuntime) -> None:
    demand = Demand(environment={"STILLHOUSE_POOL": "c"})
    local_runtime.warm(1, demand, modules=("json",))
    local_runtime.warm(1, demand)
    kind = [kind for kind in local_runtime._idle if ("STILLHOUSE_POOL", "c") in kind.environment]
    assert len(local_runtime._idle[kind[0]]) == 1
    start(demand=demand)
    assert local_runtime._idle[kind[0]] == []


def test_what_cannot_be_placed_is_refused_and_what_failed_gives_its_place_back(
    start: Start,
) -> None:
    with pytest.raises(CannotPlace, match=r"demands 17 CPUs, but the runtime has 16 CPUs"):
        start(demand=Demand(cpus=17))
    for _ in range(2):
        with pytest.raises(Unlucky):
            start(fail=True, demand=Demand(cpus=16))
    start(demand=Demand(cpus=16))


def unread_streams(teacher: Handle[Counter], number: int) -> list[Stream[int]]:
    streams = [teacher.stream(1, Counter.count, 0, 100) for _ in range(number)]
    for stream in streams:
        stream.next(timeout=20)
    return streams


def test_a_place_holds_one_role(local_runtime: LocalRuntime) -> None:
    [used, freed] = local_runtime.reserve("stage", [Demand(), Demand()])
    counter = local_runtime.start(used, "counter", Counter)
    local_runtime.release(freed)
    for place in (used, freed):
        with pytest.raises(ClusterError, match="given back or used before"):
            local_runtime.start(place, "counter", Counter)
    local_runtime.retire(counter)


def test_many_readers_of_one_teacher_do_not_starve_each_other(start: Start) -> None:
    teacher = start()
    unread = unread_streams(teacher, STREAMS_PER_PROCESS - 1)
    other = teacher.stream(1, Counter.count, 0, 100)
    assert [other.next(timeout=20) for _ in range(5)] == [0, 1, 2, 3, 4]
    one_more = teacher.stream(1, Counter.count, 0, 100)
    with pytest.raises(RoleSilent):
        one_more.next(timeout=0.3)
    unread.pop().close()
    assert one_more.next(timeout=20) == 0
    for stream in (*unread, other, one_more):
        stream.close()


def test_an_abandoned_stream_frees_its_role(start: Start) -> None:
    teacher = start()
    streams = unread_streams(teacher, STREAMS_PER_PROCESS)
    del streams[0]
    gc.collect()
    assert teacher.stream(1, Counter.count, 5, 6).next(timeout=5) == 5
    for stream in streams:
        stream.close()


def test_a_killed_reader_frees_the_role_it_read_from(
    start: Start, local_runtime: LocalRuntime
) -> None:
    teacher, reader = start(), start()
    for _ in range(STREAMS_PER_PROCESS):
        assert reader.call(Counter.begin, teacher).result(timeout=20) == 0
    with pytest.raises(RoleSilent):
        teacher.stream(1, Counter.count, 5, 6).next(timeout=0.3)
    local_runtime.kill(reader)
    assert teacher.stream(1, Counter.count, 5, 6).next(timeout=5) == 5


def test_arrays_arrive_without_a_copy(start: Start) -> None:
    stream = start().stream(2, Counter.parcels, 3)
    parcels = [stream.next(timeout=20) for _ in range(3)]
    assert [parcel.array[-1] for parcel in parcels] == [0, 1, 2]
    assert not any(parcel.array.flags.writeable or parcel.array.flags.owndata for parcel in parcels)


def test_a_silent_role_is_reported_within_its_bound_and_the_answer_can_still_come(
    start: Start,
) -> None:
    future = start().call(Counter.nap, 3.0)
    begun = time.monotonic()
    with pytest.raises(RoleSilent, match="'counter'"):
        future.result(timeout=0.1)
    assert time.monotonic() - begun < 2.5
    assert future.result(timeout=20) == "awake"


def test_a_process_that_dies_loses_its_calls_and_two_roles_may_revive_it(start: Start) -> None:
    teacher, left, right = start(100), start(), start()
    call = teacher.call(Counter.end_process)
    with pytest.raises(RoleLost, match="'counter'"):
        call.result(timeout=20)
    revived = [reader.call(Counter.revive, teacher, 1) for reader in (left, right)]
    # Built again once: both added to the same counter.
    assert {future.result(timeout=20) for future in revived} == {101, 102}


def test_a_killed_roles_place_can_be_taken_unless_it_was_revived(
    start: Start, local_runtime: LocalRuntime
) -> None:
    demand = Demand(environment={"STILLHOUSE_POOL": "d"})
    first = start(1, demand=demand)
    local_runtime.kill(first)
    first.revive()
    second = start(2, demand=demand)
    assert pid_of(second) != pid_of(first)
    assert first.call(Counter.add, 0).result(timeout=20) == 1


def test_a_stopped_process_does_not_respond_and_can_be_killed(
    start: Start, local_runtime: LocalRuntime
) -> None:
    demand = Demand(environment={"STILLHOUSE_POOL": "e"})
    stuck = start(1, demand=demand)
    busy = stuck.call(Counter.nap, 60)
    assert stuck.responds(20), "a role that computes does"
    process = psutil.Process(pid_of(stuck))
    process.suspend()
    assert not stuck.responds(0.3)
    local_runtime.kill(stuck)
    assert not process.is_running()
    with pytest.raises(RoleLost):
        busy.result(timeout=20)
    assert not stuck.responds(20), "its process was started again, and the role was not"
    second = start(2, demand=demand)
    assert second.responds(20)
    assert second.call(Counter.add, 0).result(timeout=20) == 2


def test_a_role_of_a_ray_that_has_ended_is_lost_whatever_runs_now(start: Start) -> None:
    counter = start()
    assert isinstance(counter, RayHandle)
    late = replace(counter, session="the one before")
    for call in (late.call, late.control):
        with pytest.raises(RoleLost, match="closed"):
            call(Counter.add, 1)
    with pytest.raises(RoleLost, match="closed"):
        late.stream(1, Counter.count, 0, 1)
    with pytest.raises(RoleLost, match="closed"):
        late.revive()
    assert not late.responds(20)


def test_a_role_that_leaves_by_exit_is_an_error_not_a_loss(start: Start) -> None:
    counter = start()
    with pytest.raises(ClusterError, match="SystemExit: 3"):
        counter.call(Counter.leave).result(timeout=20)
    assert counter.call(Counter.add, 1).result(timeout=20) == 1


def test_an_error_that_cannot_be_pickled_keeps_its_type_and_message_as_text(start: Start) -> None:
    with pytest.raises(ClusterError, match="Unportable: black cat"):
        start().call(Counter.fail_unportably).result(timeout=20)


def test_roles_can_be_started_from_several_threads(local_runtime: LocalRuntime) -> None:
    started: list[Handle[Counter]] = []

    def begin(number: int) -> None:
        started.append(local_runtime.start(Demand(), f"counter {number}", Counter, number))

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [counter.call(Counter.add, 0).result(timeout=20) for counter in started]
    for counter in started:
        local_runtime.retire(counter)
    assert sorted(answers) == [0, 1, 2]


def test_what_ray_says_of_dead_processes_stays_off_standard_output(
    local_runtime: LocalRuntime, capfd: pytest.CaptureFixture[str]
) -> None:
    said = {"lines": ["A process died."], "pid": "raylet", "is_err": False}
    ray._private.worker.print_to_stdstream(said, ignore_prefix=False)
    assert capfd.readouterr() == ("", "")

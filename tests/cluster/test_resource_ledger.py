"""Which place has how many of a machine's CPUs and GPUs, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from cluster.errors import CannotPlace, ClusterError
from cluster.ray.resource_ledger import GpuPool, ResourceLedger
from cluster.runtime import Demand, Place
from tests.cluster.test_runtime_contract import until

Reserved = Future[tuple[Place, ...]]


def of_cpus(cpus: float) -> ResourceLedger:
    return ResourceLedger(cpus, GpuPool(0))


def beside(ledger: ResourceLedger, pool: ThreadPoolExecutor, *args: object) -> Reserved:
    """A reservation that waits on another thread, once it stands in the queue."""
    waiting = len(ledger._queue) + 1
    future = pool.submit(ledger.reserve, *args)  # type: ignore[arg-type]
    assert until(lambda: len(ledger._queue) == waiting)
    return future


def test_more_than_there_is_is_refused_at_once_with_both_figures() -> None:
    ledger = of_cpus(2)
    ledger.reserve("other", [Demand(cpus=2)])
    with pytest.raises(CannotPlace, match=r"'big' demands 3 CPUs, but the runtime has 2 CPUs"):
        ledger.reserve("big", [Demand(cpus=1), Demand(cpus=2)])
    with pytest.raises(
        CannotPlace, match=r"1 CPUs and 1 GPUs, but the runtime has 2 CPUs and 0 GPUs"
    ):
        ledger.reserve("big", [Demand(gpus=1)])


def test_thirds_of_a_cpu_add_up_to_one() -> None:
    ledger = of_cpus(1)
    thirds = [Demand(cpus=1 / 3)] * 3
    for _ in range(2):
        places = ledger.reserve("thirds", thirds)
        for place in places:
            ledger.give_back(place)
            ledger.give_back(place)
    assert len(places) == 3


def test_who_waits_holds_nothing_and_is_served_in_order_of_arrival() -> None:
    ledger = of_cpus(3)
    [first] = ledger.reserve("first", [Demand()])
    [second] = ledger.reserve("second", [Demand()])
    with ThreadPoolExecutor() as pool:
        large = beside(ledger, pool, "large", [Demand(), Demand(cpus=2)])
        small = beside(ledger, pool, "small", [Demand()])
        ledger.give_back(first)
        # Two are free, which would do for the small one; but the large one came before it.
        assert not ledger._places - {second}
        assert not small.done()
        ledger.give_back(second)
        one, two = large.result(timeout=20)
        assert [place.demand.cpus for place in (one, two)] == [1, 2]
        assert not small.done()
        ledger.give_back(one)
        assert len(small.result(timeout=20)) == 1


def test_growing_serves_who_waits_and_never_lowers() -> None:
    ledger = of_cpus(1)
    ledger.reserve("first", [Demand()])
    with ThreadPoolExecutor() as pool:
        waiting = beside(ledger, pool, "second", [Demand()])
        ledger.grow(1)
        ledger.grow(2)
        ledger.grow(1)
        assert waiting.result(timeout=20)
    with pytest.raises(CannotPlace, match="the runtime has 2 CPUs"):
        ledger.reserve("third", [Demand(cpus=3)])


@pytest.mark.parametrize("how", ["closed", "stopping"])
def test_who_waits_is_freed_when_the_run_stops_or_the_runtime_is_closed(how: str) -> None:
    ledger, stopping = of_cpus(1), threading.Event()
    [held] = ledger.reserve("first", [Demand()])
    end: Callable[[], None] = ledger.close if how == "closed" else stopping.set
    with ThreadPoolExecutor() as pool:
        waiting = beside(ledger, pool, "second", [Demand()], stopping)
        end()
        with pytest.raises(ClusterError if how == "closed" else KeyboardInterrupt):
            waiting.result(timeout=20)
    ledger.give_back(held)
    if how == "stopping":
        assert ledger.reserve("third", [Demand()]), "one that gave up holds up no other"


def test_runtimes_of_one_process_have_their_own_cpus_and_share_the_gpus() -> None:
    gpus = GpuPool(1)
    one, other = ResourceLedger(1, gpus), ResourceLedger(1, gpus)
    one.reserve("first", [Demand(gpus=0.75)])
    with ThreadPoolExecutor() as pool:
        waiting = beside(other, pool, "second", [Demand(gpus=0.5)])
        assert not waiting.done()
        one.close()
        assert waiting.result(timeout=20)

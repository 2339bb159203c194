"""Which role has how many of a machine's CPUs and GPUs."""

from __future__ import annotations

import threading

import pytest

from cluster.errors import CannotPlace, ClusterError
from cluster.ray.resource_ledger import ResourceLedger
from cluster.runtime import Demand


def test_a_demand_that_can_never_be_met_is_refused_with_both_figures() -> None:
    ledger = ResourceLedger(2, 0, timeout=60)
    with pytest.raises(CannotPlace, match=r"'big' demands 3 CPUs, but the runtime has 2 CPUs"):
        ledger.take(1, "big", Demand(cpus=3))
    with pytest.raises(CannotPlace, match=r"1 CPUs and 1 GPUs"):
        ledger.take(1, "big", Demand(gpus=1))


def test_thirds_of_a_cpu_add_up_to_one() -> None:
    ledger = ResourceLedger(1, 0, timeout=0)
    for serial in range(3):
        ledger.take(serial, "third", Demand(cpus=1 / 3))
    with pytest.raises(CannotPlace, match="only 0 CPUs of 1 CPUs came free"):
        ledger.take(4, "fourth", Demand(cpus=1 / 3))


def test_roles_that_hold_the_cpus_are_named() -> None:
    ledger = ResourceLedger(2, 0, timeout=0)
    ledger.take(1, "teacher", Demand(cpus=2))
    with pytest.raises(CannotPlace, match="'teacher' 2 CPUs"):
        ledger.take(2, "student", Demand())


def test_a_waiting_role_is_placed_when_another_gives_back() -> None:
    ledger = ResourceLedger(1, 0, timeout=20)
    ledger.take(1, "first", Demand())
    timer = threading.Timer(0.05, ledger.give_back, [1])
    timer.start()
    ledger.take(2, "second", Demand())
    timer.join()


def test_closing_frees_waiting_roles() -> None:
    ledger = ResourceLedger(1, 0, timeout=20)
    ledger.take(1, "first", Demand())
    timer = threading.Timer(0.05, ledger.close)
    timer.start()
    with pytest.raises(ClusterError, match="closed"):
        ledger.take(2, "second", Demand())
    timer.join()

"""What the runtime without processes promises beyond the contract."""

from __future__ import annotations

import pytest

from cluster.errors import ClusterError, RoleLost
from cluster.in_process import InProcessRuntime
from cluster.runtime import Demand
from tests.cluster.roles import Counter


def test_closing_twice_ends_every_role() -> None:
    runtime = InProcessRuntime()
    counter = runtime.start(Demand(), "counter", Counter)
    stream = counter.stream(1, Counter.count, 0, 5)
    assert stream.next() == 0
    runtime.close()
    runtime.close()
    with pytest.raises(RoleLost, match="closed"):
        counter.call(Counter.add, 1).result()
    with pytest.raises(RoleLost, match="closed"):
        stream.next()
    with pytest.raises(ClusterError, match="closed"):
        runtime.start(Demand(), "counter", Counter)


def test_calls_run_at_once_on_the_callers_thread() -> None:
    runtime = InProcessRuntime()
    counter = runtime.start(Demand(), "counter", Counter)
    counter.call(Counter.add, 3)
    assert counter.call(Counter.add, 0).result() == 3

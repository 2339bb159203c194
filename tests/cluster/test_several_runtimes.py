"""Several runtimes in one process: they share its Ray, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import ray

from cluster.errors import ClusterError, RoleLost
from cluster.ray.local_runtime import LocalRuntime
from cluster.ray.process_session import ProcessSession
from cluster.runtime import Demand
from tests.cluster.roles import Counter


def test_one_closes_while_the_other_works_on(tmp_path: Path) -> None:
    def build(name: str) -> LocalRuntime:
        return LocalRuntime(1, home=tmp_path / name)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(build, ("one", "other"))
    with closing(one), closing(other):
        ended = one.start(Demand(), "ended", Counter)
        stays = other.start(Demand(), "stays", Counter, 5)
        napping = ended.call(Counter.nap, 60)
        stream = stays.stream(1, Counter.count, 0, 100)
        assert stream.next(timeout=20) == 0
        one.close()
        with pytest.raises(RoleLost):
            napping.result(timeout=20)
        with pytest.raises(RoleLost):
            ended.revive()
        with pytest.raises(ClusterError, match="closed"):
            one.start(Demand(), "late", Counter)
        assert stays.call(Counter.add, 1).result(timeout=20) == 6
        assert [stream.next(timeout=20) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_session_that_does_not_start_is_refused_to_each_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = ProcessSession()
    for _ in range(2):
        with pytest.raises(ClusterError), session.used(tmp_path / "file"):
            pytest.fail("Ray was started")


def test_a_ray_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with pytest.raises(ClusterError, match="is not ours"), ProcessSession().used(tmp_path):
        pytest.fail("another Ray was started")

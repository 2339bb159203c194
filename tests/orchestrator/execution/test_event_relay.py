"""Which rank is blamed for the end of an attempt, whatever is noticed first."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cluster.errors import RoleLost, RoleSilent
from orchestrator.execution import event_relay
from orchestrator.execution.event_relay import RoleFailed, relay_events
from orchestrator.planning.stage import Stage
from tests import small

CLOSED = RuntimeError("gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]")
RESET = RuntimeError("gloo/transport/tcp/pair.cc:553] Read error: Connection reset by peer")
LOST = RoleLost("role 'student, rank 0' is gone: its process has died")
MEMORY = MemoryError("no room")


class Scripted:
    """A rank that gives, or raises, one thing after another; the last one again and again."""

    def __init__(self, *script: Any) -> None:
        self._script = list(script)

    def call(self, method: Any) -> Scripted:
        return self

    def stream(self, ahead: int, method: Any) -> Scripted:
        return self

    def close(self) -> None:
        pass

    def next(self, timeout: float | None = None) -> Any:
        given = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(given, Exception):
            raise given
        return given

    result = next


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return small.planned(tmp_path_factory.mktemp("stage")).stage("student")


@pytest.mark.parametrize(
    ("first", "others", "blamed", "error"),
    [
        # The cluster takes longer to notice that a process has died than the other ranks.
        ([RoleSilent(), RoleSilent(), LOST], [[CLOSED]], 0, LOST),
        ([RoleSilent(), "event", RoleSilent(), LOST], [[RESET], [CLOSED]], 0, LOST),
        ([CLOSED], [[RoleLost("it has died")]], 1, RoleLost),
        # None is lost: the one that has not failed because of another.
        ([RoleSilent(), CLOSED], [[RESET], [MEMORY]], 2, MEMORY),
        ([RoleSilent()], [[RoleSilent()], [MEMORY]], 2, MEMORY),
    ],
)
def test_the_rank_whose_end_the_others_follow_is_blamed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, first: Any, others: Any, blamed: int, error: Any
) -> None:
    monkeypatch.setattr(event_relay, "SECONDS_FOR_REASON", 0.05)
    ranks: Any = [Scripted(*first), *(Scripted(*script) for script in others)]
    seen: list[Any] = []
    with pytest.raises(RoleFailed) as failed:
        relay_events(stage, ranks, seen.append, threading.Event())
    assert failed.value.rank == blamed
    assert failed.value.error is error or type(failed.value.error) is error
    assert seen == [each for each in first if each == "event"]

"""The ranks that train one student; known when a stage is planned, so without torch."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Group:
    """The processes that train one student together; this one is ``rank`` of ``ranks``."""

    rank: int = 0
    ranks: int = 1
    address: str = LOOPBACK
    port: int = 0
    timeout_seconds: float = 300.0


def free_ports(count: int) -> list[int]:
    """Different ports on loopback that nothing listens on.

    They lie below those that systems give to clients (from 32768 on): one of these may be taken
    before rank 0 listens on it.

    Raises:
        OSError: there are not so many.
    """
    with ExitStack() as held:
        found: list[int] = []
        for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"{count} free ports are needed, but there are {len(found)}")

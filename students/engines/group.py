"""The ranks that train one student; known when a stage is planned, so without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """The processes that train one student together; this one is ``rank`` of ``ranks``."""

    rank: int = 0
    ranks: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    timeout_seconds: float = 300.0

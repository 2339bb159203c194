"""What is sent to a tracker: runs, metrics, and texts in the form that trackers take."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_\-. :/]")
_KEY_LENGTH = 250


@dataclass(frozen=True)
class Metric:
    """One number at one step; ``time_ms`` is that of the row it was made from."""

    key: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True)
class Cursor:
    """How far a run's metrics were sent: all windows before ``step``, all epochs before ``epoch``.

    It is stored with the run itself. So it is gone when the run is, and stays when a stage's
    folder is deleted and the stage runs again.
    """

    step: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class RunSpec:
    """What a run is. ``identity`` is the tag, key and value, by which it is found again."""

    name: str
    identity: tuple[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenRun:
    """A run at the tracker, how far its metrics were sent, and its status."""

    run_id: str
    cursor: Cursor = Cursor()
    status: Status = "RUNNING"


def score_metrics(scores: Mapping[str, float], step: int) -> tuple[Metric, ...]:
    """Figures as metrics of now."""
    now = time.time_ns() // 1_000_000
    return tuple(Metric(key(name), value, step, now) for name, value in scores.items())


def flatten(recipe: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Parameters by dotted path; lists are written as JSON, credentials in addresses are cut."""
    flat: dict[str, str] = {}
    for name, value in recipe.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{path}.")
        else:
            flat[key(path)] = redact(value if isinstance(value, str) else json.dumps(value))
    return flat


def redact(text: str) -> str:
    """``text`` with ``user:password@`` taken out of every address in it."""
    return _CREDENTIALS.sub("***@", text)


def key(name: str) -> str:
    """``name`` as trackers take it: letters, digits and ``_-. :/``, at most 250 of them."""
    return _NOT_IN_KEYS.sub("_", name)[:_KEY_LENGTH]


def code_version() -> str:
    """The installed version of stillhouse."""
    try:
        return version("stillhouse")
    except PackageNotFoundError:
        return "not installed"

"""What a tracker promises: runs are found before they are made, metrics may be sent again.

A tracker is called by one thread, that of ``writer``. It may be slow and it may fail with any
exception; the writer then repeats its requests. So each request does the same when repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

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


class Tracker(Protocol):
    """Stores runs. Each request may be repeated and then changes nothing."""

    def open(self, spec: RunSpec, parent: str | None) -> OpenRun:
        """Finds the run by its identity under ``parent``, or makes it, RUNNING.

        A run that is found keeps its status, and the parameters that it has already.
        """

    def log(self, run_id: str, metrics: Sequence[Metric], cursor: Cursor) -> None:
        """Adds metrics, and stores the cursor behind them."""

    def log_artifact(self, run_id: str, path: Path) -> None:
        """Stores a file under its own name; a newer one replaces it."""

    def log_student(
        self, run_id: str, network: nn.Module, example: Tensor, weights_sha256: str
    ) -> None:
        """Stores a network for use elsewhere, once for each ``weights_sha256``.

        ``example``: two pictures, uint8 [2, C, H, W]; the stored model takes any number.
        """

    def set_status(self, run_id: str, status: Status) -> None:
        """Sets whether the run is under way, or how it ended."""


def flattened(recipe: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Parameters by dotted path; lists are written as JSON, credentials in addresses are cut."""
    flat: dict[str, str] = {}
    for name, value in recipe.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{path}.")
        else:
            flat[key(path)] = redacted(value if isinstance(value, str) else json.dumps(value))
    return flat


def redacted(text: str) -> str:
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

"""Faults that happen to roles while a test runs them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from students.fault_injection import VARIABLE


def fault(role: str, step: int, kind: str, rank: int = 0) -> dict[str, object]:
    """One fault of a plan."""
    return {"role": role, "step": step, "kind": kind, "rank": rank}


def plan_in(folder: Path, *faults: dict[str, object]) -> Path:
    """The faults as a plan's file in ``folder``."""
    number, name = tempfile.mkstemp(prefix="faults-", dir=folder)
    os.write(number, json.dumps(faults).encode())
    os.close(number)
    return Path(name)


@contextmanager
def planned(folder: Path, *faults: dict[str, object]) -> Iterator[None]:
    """While open, the faults happen to roles of this process, and of those that it starts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(plan_in(folder, *faults))
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before

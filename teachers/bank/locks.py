"""Holds files by locks that end with their process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK, CLAIMS = "lock", "claims"


@contextmanager
def holding(folder: Path) -> Iterator[bool]:
    """Holds the folder's lock if it is free, or says that it is not; never waits.

    Raises:
        OSError: there is no right to, or no room for a lock.
    """
    handle = _try_to_hold(folder / LOCK)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def hold(handle: int) -> bool:
    """Takes the lock of an open file unless somebody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one that ``path`` names now."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), named)


def _try_to_hold(lock: Path) -> int | None:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    with contextlib.ExitStack() as unless_held:
        unless_held.callback(os.close, handle)
        # A lock whose folder was taken away meanwhile guards nothing.
        if not hold(handle) or not is_at(handle, lock):
            return None
        unless_held.pop_all()
    return handle

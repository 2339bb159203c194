"""File locks between processes; a killed process holds none, for the system releases them."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

SECONDS_BETWEEN_TRIES = 0.5


@contextmanager
def hold_lock(
    path: Path, stopping: Event, on_wait: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Holds the lock at ``path``; calls ``on_wait`` once if it is held already.

    Waits until the holder releases it or ends, or until ``stopping`` is set.

    Raises:
        KeyboardInterrupt: the run is ``stopping`` while it waits.
        OSError: the lock cannot be made, as on a full disk.
    """
    lock = FileLock(path, thread_local=False)
    timeout = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            if timeout == 0.0:
                on_wait()
            if stopping.is_set():
                raise KeyboardInterrupt from None
            timeout = SECONDS_BETWEEN_TRIES
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock at ``path``; makes, waits for and keeps nothing."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False

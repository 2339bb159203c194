"""A lock among processes, waited for only as long as the run goes on.

Waits for whoever holds the lock; freed by its being let go, by the holder's death (the operating
system lets go for it), or by the run being broken off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def held(path: Path, stopping: Event, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock at ``path``; ``on_wait`` is told if somebody else has it.

    Raises:
        KeyboardInterrupt: the run was ``stopping`` while it waited.
        OSError: the lock cannot be made, as on a full disk.
    """
    lock = FileLock(path, thread_local=False)
    patience = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            if patience == 0.0:
                on_wait()
            if stopping.is_set():
                raise KeyboardInterrupt from None
            patience = SECONDS_BETWEEN_LOOKS
    try:
        yield
    finally:
        lock.release()

"""Counts the threads that wait for Ray.

A thread that waits for Ray while it is shut down waits for ever. So every wait is counted in
``PENDING_CALLS``; closing a runtime ends its roles, which frees the waiting threads, and Ray is
shut down once none is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class PendingCalls:
    """Counts the threads of this process that wait for Ray."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts the calling thread while the context is open."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def wait_until_none(self, timeout: float) -> None:
        """Waits until no thread waits for Ray, at most ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0, timeout)


PENDING_CALLS = PendingCalls()
"""Of this process: Ray itself is one to a process."""

"""Counts who waits for Ray in this process, so that Ray is not shut down under them.

A thread that waits for an answer while Ray is shut down waits for ever. So whoever closes the
runtime ends the roles first, which frees the waiting threads, and shuts Ray down when they are
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Waits:
    """How many threads wait for Ray now."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts the calling thread while the context is open."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def over(self, timeout: float) -> bool:
        """Waits until nobody waits, ``timeout`` seconds at most; says whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting == 0, timeout)


WAITS = Waits()
"""Of this process: Ray itself is one to a process."""

"""Turns SIGINT and SIGTERM into one KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """While open, either signal raises ``KeyboardInterrupt`` in the main thread, once.

    SIGINT is set explicitly as well: a background child of a script inherits it as ignored.
    A second signal has no effect: everything is being stopped already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    struck = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        if not struck:
            struck = True
            raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {one: signal.signal(one, handle) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

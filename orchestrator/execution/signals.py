"""Turns the signals that are to end a process into one KeyboardInterrupt."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """While open, each of the signals raises ``KeyboardInterrupt`` in the main thread, once.

    SIGINT and SIGQUIT are set explicitly as well: a background child of a script inherits them as
    ignored. SIGHUP stays ignored where ``nohup`` has it so. A second signal has no effect:
    everything is being stopped already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    struck = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        if number == signal.SIGHUP:
            _leave_closed_terminal()
        if not struck:
            struck = True
            raise KeyboardInterrupt

    kept = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before: dict[signal.Signals, Any] = {
        one: signal.signal(one, handle) for one in SIGNALS if one not in kept
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _leave_closed_terminal() -> None:
    """Lets what is printed from now on vanish where it went to a terminal that is closed: every
    write would fail, and that would end the run as an error does."""
    for descriptor in (1, 2):
        with suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)

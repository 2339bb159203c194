"""Keeps standard output for what a command prints itself, so that ``--json`` prints JSON alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

_OUTPUT, _ERROR = 1, 2


@contextmanager
def work_prints_to_standard_error() -> Iterator[None]:
    """Sends to standard error whatever is printed meanwhile: by the user's own code, by libraries,
    and by the processes that they start."""
    _flush()
    try:
        kept = os.dup(_OUTPUT)
    except OSError:  # Standard output is closed.
        yield
        return
    with suppress(OSError):
        os.dup2(_ERROR, _OUTPUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(kept, _OUTPUT)
        os.close(kept)


def end_standard_output() -> None:
    """Sends to standard error whatever is printed from now on, as by functions that the user's own
    code has registered for the end of the process."""
    _flush()
    with suppress(OSError):
        os.dup2(_ERROR, _OUTPUT)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        with suppress(OSError, ValueError):  # It is closed, or its reader is gone.
            if stream is not None:
                stream.flush()

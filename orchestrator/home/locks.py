"""Asks whether a lock file is held, without making, waiting for or keeping anything."""

from __future__ import annotations

import fcntl
from pathlib import Path


def is_held(lock: Path) -> bool:
    """Whether some process holds the file ``lock``; one that is absent is held by nobody.

    A killed process holds nothing: the operating system lets go for it.
    """
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False

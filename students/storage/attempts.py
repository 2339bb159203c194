"""Counts the attempts at a stage, so that an outlived one can be told from the current."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from students.durable_files import write_atomically
from students.errors import CheckpointError, StaleAttempt

_FILE = "attempt.json"
_LOCK = ".attempt.lock"


def begin_attempt(folder: Path) -> int:
    """Begins the next attempt at the stage in ``folder`` and returns its number, from 1 on.

    From then on earlier attempts commit nothing any more, though their processes may live on
    for some seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):
        number = current_attempt(folder) + 1
        write_atomically(folder / _FILE, json.dumps({"attempt": number}).encode())
    return number


def current_attempt(folder: Path) -> int:
    """The number of the latest attempt; 0 if there was none."""
    path = folder / _FILE
    try:
        number = json.loads(path.read_bytes())["attempt"]
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}), but it must hold the attempt's number; "
            "remove the stage's folder"
        ) from error
    return int(number)


@contextmanager
def only_current(folder: Path, attempt: int) -> Iterator[None]:
    """Holds the stage's lock, so that no new attempt begins meanwhile.

    Raises:
        StaleAttempt: ``attempt`` is not the current one.
    """
    with FileLock(folder / _LOCK):
        current = current_attempt(folder)
        if attempt != current:
            raise StaleAttempt(
                f"attempt {attempt} at {folder} is over, attempt {current} has begun; "
                "nothing was committed, and this process should end"
            )
        yield

"""Counts the attempts at a stage, so that an outlived one can be told from the current."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

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
        replace_durably(folder / _FILE, json.dumps({"attempt": number}).encode())
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


def replace_durably(path: Path, content: bytes) -> None:
    """Writes ``path`` so that, whatever happens, it holds the old content or the new."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        write_durably(fresh, content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Writes ``path`` and waits until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in ``folder`` last over a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

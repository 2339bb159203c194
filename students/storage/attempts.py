"""Attempts at a stage: counted, so that a stale one, whose driver is gone, commits nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from students.durable_files import TEMPORARY, move_aside, sync, write_folder
from students.errors import CheckpointError, StaleAttempt
from students.json_records import read_or_report, write_json
from students.storage.step_log import latest_step_log

_FILE = "attempt.json"
_LOCK = ".attempt.lock"


def begin_attempt(folder: Path) -> int:
    """Begins the next attempt at the stage in ``folder`` and returns its number, from 1 on.

    From then on earlier attempts can commit nothing, though their processes may live on for
    some seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):
        number = current_attempt(folder) + 1
        write_json(folder / _FILE, {"attempt": number})
    return number


def current_attempt(folder: Path) -> int:
    """The number of the latest attempt; 0 if there was none. Where the file that holds it is
    damaged, it follows from the step logs, of which each attempt has its own."""
    consequence = "attempts are counted by their step logs"
    number = read_or_report(folder / _FILE, lambda each: int(each["attempt"]), consequence)
    return max(number or 0, latest_step_log(folder))


@contextmanager
def lock_attempt(folder: Path, attempt: int) -> Iterator[None]:
    """Holds the stage's lock, so that no new attempt begins inside the context.

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


@contextmanager
def commit_folder(
    stage: Path, attempt: int, target: Path, contents: Mapping[str, bytes]
) -> Iterator[None]:
    """Replaces the folder ``target`` of a stage by one with ``contents``, whole or not at all.

    The files are written to a temporary folder first. The context is entered when ``target``
    is in place, and holds the stage's lock.

    Raises:
        StaleAttempt: a later attempt has begun; nothing has changed.
        CheckpointError: it cannot be written, as on a full disk; the last commit stands.
    """
    temporary = target.with_name(f"{TEMPORARY}{target.name}-{attempt}")
    try:
        write_folder(temporary, contents)
        with lock_attempt(stage, attempt):
            # What is there is damaged, or was left by an attempt that was killed on the way.
            shutil.rmtree(target, ignore_errors=True)
            move_aside(target)
            temporary.replace(target)
            sync(target.parent)
            yield
    except OSError as error:
        # A later attempt removes what this one was writing: then that is the reason to report.
        with lock_attempt(stage, attempt):
            pass
        raise CheckpointError(
            f"{target} cannot be written ({error.strerror or error}); make room there and run "
            "again: the last committed checkpoint stands"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

"""Makes and removes the folders of a Ray session: its token, and Ray's own files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster.errors import ClusterError

RAY_FOLDER = "r"
"""In the session's folder, which is closed to others: Ray lets everybody write into its own."""
_SHORT = 38
"""Longest temporary folder for which Ray's socket paths fit into the system's 107 bytes."""


@contextlib.contextmanager
def session_folders(home: Path) -> Iterator[tuple[Path, Path]]:
    """Makes a token file under ``home`` and a folder for Ray's files; removes both afterwards."""
    sessions = home.absolute() / "session"
    name = secrets.token_hex(4)
    folder, temp = sessions / name, _temp(name)
    try:
        sessions.mkdir(parents=True, exist_ok=True)
        with _locked(sessions):
            remove_stale_sessions(sessions)
            folder.mkdir(mode=0o700)
            token = folder / "token"
            lock = os.open(token, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise ClusterError(
            f"`home` is '{home}', where no session can be kept ({error.strerror}); "
            "give a folder that can be written"
        ) from error
    try:
        os.write(lock, secrets.token_hex(32).encode())
        temp.mkdir(mode=0o700)
        yield token, temp
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _temp(name: str) -> Path:
    system = tempfile.gettempdir()
    folder = Path(system, f"stillhouse-{name}")
    return folder if len(str(folder)) <= _SHORT else Path("/tmp", f"stillhouse-{name}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def remove_stale_sessions(sessions: Path) -> None:
    """Removes what killed drivers left: their tokens are no longer locked."""
    for folder in sessions.iterdir():
        with contextlib.suppress(OSError):
            lock = os.open(folder / "token", os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(_temp(folder.name), ignore_errors=True)
                shutil.rmtree(folder)
            finally:
                os.close(lock)

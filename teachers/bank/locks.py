"""Locks that end with their process, however it ends: of a folder, an open file, a sample's id."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from teachers.bank.columns import Ids, Mask

LOCK, CLAIMS = "lock", "claims"
_FLOCK = struct.Struct("hhqqi")


@contextmanager
def folder_lock(folder: Path) -> Iterator[bool]:
    """Locks the folder unless another process has, and yields whether it did; never waits.

    Raises:
        OSError: the file of the lock cannot be opened.
    """
    path = folder / LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # A lock whose folder was deleted meanwhile protects nothing.
        yield try_lock(handle) and is_file_at(handle, path)
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Locks an open file, until it is closed, unless another process has."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_file_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one that ``path`` names now."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), named)


class Claims:
    """Which samples of one view this writer is computing, so that no other one does so too.

    A claim is a lock on one byte of an empty file, the byte whose number is the sample's id.
    Where the file cannot be made every claim is granted: to compute twice is only slow.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT, 0o666)
        self._own: set[int] = set()

    def take(self, ids: Ids) -> Mask:
        """Claims ``ids`` [B]; returns which are granted: none that is claimed already."""
        return np.array([self._take(id_) for id_ in ids.tolist()], np.bool_)

    def release(self, ids: Ids) -> None:
        """Ends the claims on ``ids`` [B]."""
        for id_ in self._own.intersection(ids.tolist()):
            self._own.remove(id_)
            self._set(fcntl.F_UNLCK, id_)

    def is_claimed(self, id_: int) -> bool:
        """Whether any writer is computing it now."""
        if id_ in self._own:
            return True
        granted = self._take(id_)
        if granted:
            self.release(np.array([id_]))
        return not granted

    def close(self) -> None:
        """Ends all claims."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _take(self, id_: int) -> bool:
        if id_ in self._own or not self._set(fcntl.F_WRLCK, id_):
            return False
        self._own.add(id_)
        return True

    def _set(self, kind: int, id_: int) -> bool:
        if self._handle is None:
            return True
        try:
            # A lock of the open file, not of the process: two hosts in one process are two.
            flock = _FLOCK.pack(kind, os.SEEK_SET, id_, 1, 0)
            fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, flock)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # No locks on this file system, or too many.
        return True

"""Says who is computing what, so that two hosts in step share the work and do none twice.

A claim is a lock on one byte of an empty file, the byte whose number is the sample's id. The
operating system drops it when its process dies, so nobody waits for the dead.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from teachers.bank.id_bitmap import Ids
from teachers.bank.locks import CLAIMS

_FLOCK = struct.Struct("hhqqi")


class Claims:
    """The claims of one writer on the ids of one view.

    Where the file cannot be made everything is granted: what is computed twice is only slow.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT, 0o666)
        self._own: set[int] = set()

    def take(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Claims ``ids`` [B]; gives which are granted. What is claimed, also here, is not."""
        return np.array([self._take(id_) for id_ in ids.tolist()], np.bool_)

    def let_go(self, ids: Ids) -> None:
        """Ends the claims on ``ids`` [B]."""
        for id_ in ids.tolist():
            if id_ in self._own:
                self._own.remove(id_)
                self._set(fcntl.F_UNLCK, id_)

    def claimed(self, id_: int) -> bool:
        """Whether anybody is computing it now."""
        if id_ in self._own:
            return True
        if granted := self._take(id_):
            self.let_go(np.array([id_]))
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
            asked = _FLOCK.pack(kind, os.SEEK_SET, id_, 1, 0)
            fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, asked)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # No locks on this file system, or too many.
        return True

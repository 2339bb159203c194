"""Roles that the tests of the runtimes start."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import cluster
from cluster.runtime import Handle, Stream


class Unlucky(Exception):
    """An error with two arguments, as those of a role may have."""

    def __init__(self, what: str, often: int) -> None:
        super().__init__(what, often)
        self.often = often


class Unportable(Exception):
    """An error that cannot be read back in another process."""

    def __init__(self, what: str, often: int) -> None:
        super().__init__(what)


@dataclass(frozen=True)
class Parcel:
    """A value with an array inside, as answers are."""

    array: npt.NDArray[np.float32]


class Counter:
    """Counts, fails and streams on demand."""

    def __init__(self, start: int = 0, fail: bool = False) -> None:
        if fail:
            raise Unlucky("at birth", 1)
        self.value = start
        self.made = 0
        self.ended = 0
        self._streams: list[Stream[int]] = []

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    def fail(self) -> None:
        raise Unlucky("thirteen", 13)

    def fail_unportably(self) -> None:
        raise Unportable("black cat", 1)

    def leave(self) -> None:
        sys.exit(3)

    def nap(self, seconds: float) -> str:
        threading.Event().wait(seconds)
        return "awake"

    def count(self, start: int, end: int) -> Iterator[int]:
        try:
            for number in range(start, end):
                self.made += 1
                yield number
        finally:
            self.ended += 1

    def count_then_fail(self, end: int) -> Iterator[int]:
        yield from range(end)
        raise Unlucky("at the end", end)

    def parcels(self, number: int) -> Iterator[Parcel]:
        for index in range(number):
            yield Parcel(np.full(2**20, index, np.float32))

    def progress(self) -> tuple[int, int]:
        return self.made, self.ended

    def ask(self, other: Handle[Counter], amount: int) -> int:
        return other.call(Counter.add, amount).result(timeout=20)

    def read(self, other: Handle[Counter], end: int) -> list[int]:
        stream = other.stream(2, Counter.count, 0, end)
        return [stream.next(timeout=20) for _ in range(end)]

    def begin(self, other: Handle[Counter]) -> int:
        """Opens a stream of ``other``, takes one answer and keeps the stream."""
        stream = other.stream(1, Counter.count, 0, 1000)
        self._streams.append(stream)
        return stream.next(timeout=20)

    def revive(self, other: Handle[Counter], amount: int) -> int:
        other.revive()
        return self.ask(other, amount)

    def where(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "packages": str(Path(cluster.__path__[0]).resolve()),
            "folder": str(Path.cwd()),
            "search": list(sys.path),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        }

    def faults(self) -> int:
        """Pages that had to be fetched to take 32 MB and free them again, for ten times."""
        self._take_and_free()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            self._take_and_free()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    def _take_and_free(self) -> None:
        for piece in [b"x" * 2**23 for _ in range(4)]:
            assert piece

    def end_process(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

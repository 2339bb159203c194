"""The answers to one view that a host can look up instead of computing them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from students.knowledge import Columns
from teachers.bank.columns import Ids, Mask
from teachers.bank.shelf import Shelf
from teachers.bank.writer import LiveView

NOTHING_STORED = Shelf(Path(), "", 0, 0, ())
"""The shelf of a teacher whose answers are not stored: no column is on it, and no file."""


class PartialCache(LiveView):
    """Stores some of an answer's columns, or none: all are computed, and what is new is stored."""

    def present(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are stored in all columns: none."""
        return np.zeros(len(ids), np.bool_)

    def append(self, ids: Ids, values: Columns) -> None:
        """Stores those of ``ids`` [B] that are not stored yet."""
        new = ~super().present(ids)
        if new.any():
            super().append(ids[new], {name: each[new] for name, each in values.items()})

    def claim(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are to be computed here: all, even if others compute them."""
        return np.ones(len(ids), np.bool_)


class ViewCache:
    """The caches of one host; a stream has one to itself and leaves it to the next stream.

    Those of another view, or of other columns, than the latest are closed, and so is one to which
    nothing was appended: it is complete, and once sealed it is read without asking the host.
    """

    def __init__(self, shelf: Shelf | None) -> None:
        self._shelf = shelf or NOTHING_STORED
        self._latest: tuple[int, tuple[str, ...]] | None = None
        self._idle: list[LiveView] = []
        self._lock = threading.Lock()
        # A host that is dropped closes its journals, so that they can be sealed.
        self.close = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def opened(self, view: int, columns: tuple[str, ...]) -> Iterator[LiveView]:
        """A cache for answers with ``columns`` to ``view``, used by no other stream."""
        stale: list[LiveView] = []
        with self._lock:
            if self._latest != (view, columns):
                self._latest = (view, columns)
                stale, self._idle[:] = self._idle[:], []
            cache = self._idle.pop() if self._idle else None
        _close_all(stale)
        cache = cache or _open(self._shelf, view, columns)
        cache.written = 0
        try:
            yield cache
        finally:
            with self._lock:
                keep = self._latest == (view, columns) and cache.written > 0
                if keep:
                    self._idle.append(cache)
            if not keep:
                cache.close()


def _open(shelf: Shelf, view: int, columns: tuple[str, ...]) -> LiveView:
    stored = shelf.of(columns)
    is_whole = {each.name for each in stored.columns} == set(columns)
    return LiveView(stored, view) if is_whole else PartialCache(stored, view)


def _close_all(caches: list[LiveView]) -> None:
    while caches:
        caches.pop().close()

"""The answers to one view that a host can look up instead of computing them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from students.knowledge import Columns
from teachers.bank.shelf import Shelf
from teachers.bank.writer import LiveView

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_Key = tuple[int, tuple[str, ...]]
"""A view, and the columns of an answer to it."""


class NullCache:
    """Stores nothing, so that everything is computed; has the methods of a ``LiveView``."""

    trouble = ""

    def refresh(self) -> None:
        """There is nothing to read."""

    def present(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are stored: none."""
        return np.zeros(len(ids), np.bool_)

    def read(self, ids: Ids) -> Columns:
        """Is never called, since nothing is present."""
        raise AssertionError("nothing is stored here")

    def append(self, ids: Ids, values: Columns) -> None:
        """Stores nothing."""

    def claim(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are to be computed here: all."""
        return np.ones(len(ids), np.bool_)

    def release(self, ids: Ids) -> None:
        """There are no claims to end."""

    def wait(self, ids: Ids, seconds: float) -> None:
        """No other process computes for this one."""


class PartialCache(LiveView):
    """Stores some of an answer's columns: everything is computed, and what is new is stored."""

    def present(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are stored in all columns: none."""
        return np.zeros(len(ids), np.bool_)

    def append(self, ids: Ids, values: Columns) -> None:
        """Stores those of ``ids`` [B] that are not stored yet."""
        new = ~super().present(ids)
        if new.any():
            super().append(ids[new], {name: each[new] for name, each in values.items()})

    def claim(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] are to be computed here: all, whoever else computes them."""
        return np.ones(len(ids), np.bool_)


AnswerCache: TypeAlias = LiveView | NullCache


class ViewCache:
    """The caches of one host, one for each view and set of columns; a stream has one to itself
    and leaves it to the next stream.

    Caches of another view than the latest are closed, and so is one to which nothing was
    appended: it is complete, and once it is sealed students read it without asking the host.
    """

    def __init__(self, shelf: Shelf | None) -> None:
        self._shelf = shelf
        self._idle: dict[_Key, list[LiveView]] = {}
        self._latest: _Key | None = None
        self._lock = threading.Lock()
        # A host that is dropped closes its journals, so that they can be sealed.
        self.close = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def opened(self, view: int, columns: tuple[str, ...]) -> Iterator[AnswerCache]:
        """A cache for answers with ``columns`` to ``view``, used by no other stream."""
        if self._shelf is None:
            yield NullCache()
            return
        key = (view, columns)
        cache = self._take_idle(key) or _open(self._shelf.of(columns), *key)
        cache.written = 0
        try:
            yield cache
        finally:
            self._give_back(key, cache)

    def _take_idle(self, key: _Key) -> LiveView | None:
        with self._lock:
            self._latest = key
            own = self._idle.pop(key, [])
            others = dict(self._idle)
            self._idle.clear()
            if len(own) > 1:
                self._idle[key] = own[1:]
        _close_all(others)
        return own[0] if own else None

    def _give_back(self, key: _Key, cache: LiveView) -> None:
        with self._lock:
            keep = key == self._latest and cache.written > 0
            if keep:
                self._idle.setdefault(key, []).append(cache)
        if not keep:
            cache.close()


def _open(shelf: Shelf, view: int, columns: tuple[str, ...]) -> LiveView:
    whole = set(columns) == {each.name for each in shelf.columns}
    return LiveView(shelf, view) if whole else PartialCache(shelf, view)


def _close_all(caches: dict[_Key, list[LiveView]]) -> None:
    for each in caches.values():
        for cache in each:
            cache.close()
    caches.clear()

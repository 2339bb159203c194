"""The answers to a view that a host can look up instead of computing them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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


_Key = tuple[Shelf, int, tuple[str, ...]]
"""A shelf, a view and the columns of the answers to it."""


@dataclass
class _Opened:
    """How many ``streams`` are open on a key, and the caches that earlier ones left to them."""

    streams: int = 0
    idle: list[LiveView] = field(default_factory=list)


class ViewCaches:
    """The caches of one host; a stream has one to itself, and leaves it to the next one of the
    same shelf, view and columns.

    Nothing outlives the last stream that is open on it: then what is stored is sealed, and from
    then on read without asking the host. A cache to which nothing was appended is complete, and
    closed at once.
    """

    def __init__(self) -> None:
        self._opened: dict[_Key, _Opened] = {}
        self._lock = threading.Lock()

    @contextmanager
    def opened(
        self, shelf: Shelf | None, view: int, columns: tuple[str, ...]
    ) -> Iterator[LiveView]:
        """A cache for answers with ``columns`` to ``view``, used by no other stream."""
        key = (shelf or NOTHING_STORED, view, columns)
        with self._lock:
            shared = self._opened.setdefault(key, _Opened())
            shared.streams += 1
            cache = shared.idle.pop() if shared.idle else None
        try:
            cache = cache or _open(*key)
            cache.written = 0
            yield cache
        finally:
            for each in self._leave(key, cache):
                each.close()

    def _leave(self, key: _Key, cache: LiveView | None) -> list[LiveView]:
        """The caches to close now that a stream has ended, which used ``cache``."""
        used = [cache] if cache else []
        with self._lock:
            shared = self._opened[key]
            shared.streams -= 1
            if shared.streams == 0:
                del self._opened[key]
                return used + shared.idle
            if cache is None or not cache.written:
                return used
            shared.idle.append(cache)
            return []


def _open(shelf: Shelf, view: int, columns: tuple[str, ...]) -> LiveView:
    stored = shelf.of(columns)
    is_whole = {each.name for each in stored.columns} == set(columns)
    return LiveView(stored, view) if is_whole else PartialCache(stored, view)

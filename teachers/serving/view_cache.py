"""What one host knows of a view's answers: kept whole, in part, or not at all."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import numpy as np
import numpy.typing as npt

from teachers.bank.shelf import Shelf
from teachers.bank.writer import FreshView

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Values = Mapping[str, npt.NDArray[np.float16]]
Asked = tuple[int, tuple[str, ...]]
"""A view, and the columns of which answers to it consist."""


_PATIENCE = 1.0
"""Seconds after which a host looks again who computes what it waits for."""


class Book(Protocol):
    """Where answers to one view are looked up and put."""

    @property
    def trouble(self) -> str:
        """Why nothing more is kept, as a sentence; empty where all is well."""
        ...

    def refresh(self) -> None:
        """Looks at what others have put in since."""
        ...

    def present(self, ids: Ids) -> Mask:
        """Which of ``ids`` [B] can be read."""
        ...

    def read(self, ids: Ids) -> Values:
        """What is kept of ``ids`` [B], all of them present, by column.

        Raises:
            BlocksSpoilt: some of it was damaged, and is present no longer.
        """
        ...

    def append(self, ids: Ids, values: Values) -> None:
        """Puts in what was computed for ``ids`` [B]; never fails."""
        ...

    def claimed(self, ids: Ids) -> AbstractContextManager[Mask]:
        """Claims those of ``ids`` [B] that are not there and that nobody else is computing."""
        ...

    def wait(self, sample: int) -> None:
        """Waits for whoever else is computing this sample, within a bound."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


class NullCache:
    """Keeps nothing."""

    trouble = ""

    def refresh(self) -> None:
        """There is nothing to see."""

    def present(self, ids: Ids) -> Mask:
        """None is."""
        return np.zeros(len(ids), np.bool_)

    def read(self, ids: Ids) -> Values:
        """Nothing is present, so this is never asked."""
        raise AssertionError("nothing is kept here")

    def append(self, ids: Ids, values: Values) -> None:
        """Forgets it."""

    def claimed(self, ids: Ids) -> AbstractContextManager[Mask]:
        """All are this one's to compute."""
        return nullcontext(np.ones(len(ids), np.bool_))

    def wait(self, sample: int) -> None:
        """Nobody else computes for it."""

    def close(self) -> None:
        """There is nothing to let go of."""


class WholeCache(NullCache):
    """Keeps all that is asked for, on one shelf of the bank."""

    def __init__(self, shelf: Shelf, view: int) -> None:
        self._fresh = FreshView(shelf, view)
        self._columns = [column.name for column in shelf.columns]
        self.written = 0

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """The view's own."""
        return self._fresh.trouble

    def refresh(self) -> None:
        """Reads on in the journals of others."""
        self._fresh.refresh()

    def present(self, ids: Ids) -> Mask:
        """Which are there in all columns."""
        return self._fresh.present(ids)

    def read(self, ids: Ids) -> Values:
        """What the shelf gives back."""
        return self._fresh.read(ids)

    def append(self, ids: Ids, values: Values) -> None:
        """Puts it into this host's journal."""
        self.written += len(ids)
        self._fresh.append(ids, {name: values[name] for name in self._columns})

    @contextmanager
    def claimed(self, ids: Ids) -> Iterator[Mask]:
        """Claims by locks, which other processes see."""
        mine = self._fresh.claim(ids)
        try:
            yield mine
        finally:
            self._fresh.release(ids[mine])

    def wait(self, sample: int) -> None:
        """Waits while whoever claimed it lives, and not for ever."""
        self._fresh.wait(np.array([sample], np.int64), _PATIENCE)

    def close(self) -> None:
        """Seals what was put in, if nobody else is at it."""
        self._fresh.close()


class PartialCache(WholeCache):
    """Keeps a part of what is asked for: all is computed, and the part put in if it is new."""

    def present(self, ids: Ids) -> Mask:
        """None is there whole."""
        return np.zeros(len(ids), np.bool_)

    def append(self, ids: Ids, values: Values) -> None:
        """Puts in what is not there yet."""
        new = ~self._fresh.present(ids)
        if new.any():
            super().append(ids[new], {name: values[name][new] for name in self._columns})

    @contextmanager
    def claimed(self, ids: Ids) -> Iterator[Mask]:
        """All are this one's to compute, whoever else does so."""
        yield np.ones(len(ids), np.bool_)


class ViewCache:
    """The books of one host: each stream has one to itself, and leaves it to the next.

    Books of what nobody asks for any more are closed, and so is one into which nothing
    had to be put: then it is complete, and sealed it is read without asking.
    """

    def __init__(self, shelf: Shelf | None) -> None:
        self._shelf = shelf
        self._idle: dict[Asked, list[WholeCache]] = {}
        self._latest: Asked | None = None
        self._lock = threading.Lock()
        # A host that is dropped lets go of its journals, so that they can be sealed.
        self.close = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def opened(self, view: int, wanted: tuple[str, ...]) -> Iterator[Book]:
        """A book that nobody else has, of ``view`` and the columns that are ``wanted``."""
        if self._shelf is None:
            yield NullCache()
            return
        asked = (view, wanted)
        book = self._idle_one(asked) or _new(self._shelf.of(wanted), *asked)
        book.written = 0
        try:
            yield book
        finally:
            self._give_back(asked, book)

    def _idle_one(self, asked: Asked) -> WholeCache | None:
        with self._lock:
            self._latest = asked
            own = self._idle.pop(asked, [])
            others = dict(self._idle)
            self._idle.clear()
            if len(own) > 1:
                self._idle[asked] = own[1:]
        _close_all(others)
        return own[0] if own else None

    def _give_back(self, asked: Asked, book: WholeCache) -> None:
        with self._lock:
            keep = asked == self._latest and book.written > 0
            if keep:
                self._idle.setdefault(asked, []).append(book)
        if not keep:
            book.close()


def _new(shelf: Shelf, view: int, wanted: tuple[str, ...]) -> WholeCache:
    whole = set(wanted) == {each.name for each in shelf.columns}
    return WholeCache(shelf, view) if whole else PartialCache(shelf, view)


def _close_all(books: dict[Asked, list[WholeCache]]) -> None:
    for each in books.values():
        for book in each:
            book.close()
    books.clear()

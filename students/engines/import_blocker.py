"""Blocks the import of one package, as if it were not installed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType


@contextmanager
def block_import(package: str) -> Iterator[None]:
    """Makes ``import package`` fail on this thread inside the context.

    Other threads find the package, and what has imported it already keeps it.
    """
    finder = _Blocker(package, threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Blocker(MetaPathFinder):
    def __init__(self, package: str, thread: int) -> None:
        self._package = package
        self._thread = thread

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Leaves other packages to the other finders; refuses this one, on its thread."""
        if name == self._package and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"the import of `{name}` is blocked here", name=name)

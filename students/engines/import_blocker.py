"""Keeps an import from importing or compiling what is not used."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

_NO_COMPILING = "TORCHDYNAMO_DISABLE"


@contextmanager
def blocked_import(package: str) -> Iterator[None]:
    """Makes ``import package`` fail on this thread inside the context, as if not installed.

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


@contextmanager
def without_compiling() -> Iterator[None]:
    """Makes ``torch.compile`` do nothing inside the context."""
    before = os.environ.get(_NO_COMPILING)
    os.environ[_NO_COMPILING] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_COMPILING]
        else:
            os.environ[_NO_COMPILING] = before

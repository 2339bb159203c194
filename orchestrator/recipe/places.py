"""Places in a recipe's plain values: paths of keys."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """``teachers.wide.train.epochs``."""
    return ".".join(str(part) for part in path)


def value_at(data: Any, path: Path) -> Any:
    """The value at ``path``, which must be there."""
    for key in path:
        data = data[key]
    return data


def without(data: Any, path: Path) -> Any:
    """A copy of ``data`` without the entry at ``path``, if there is one."""
    copied = here = copy.copy(data)
    with suppress(KeyError, IndexError, TypeError):
        for key in path[:-1]:
            here[key] = copy.copy(here[key])
            here = here[key]
        del here[path[-1]]
    return copied

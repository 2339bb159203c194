"""Places in a recipe's plain values: paths of keys, copies with an entry replaced or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


def replaced(data: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of ``data`` with ``change(value)`` in place of the value at ``path``.

    Raises:
        KeyError, IndexError, TypeError: there is no such place.
    """
    if not path:
        return change(data)
    key, inner = path[0], replaced(data[path[0]], path[1:], change)
    if isinstance(data, list):
        return [inner if index == key else each for index, each in enumerate(data)]
    return {**data, key: inner}


def without(data: Any, path: Path) -> Any:
    """``data`` without the entry at ``path``; unchanged where there is none."""
    *above, key = path

    def remove(parent: Any) -> Any:
        if isinstance(parent, list):
            return [each for index, each in enumerate(parent) if index != key]
        return {name: each for name, each in parent.items() if name != key}

    try:
        return replaced(data, tuple(above), remove)
    except (KeyError, IndexError, TypeError, AttributeError):
        return data


def matches(data: Any, pattern: tuple[str, ...], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The places that ``pattern`` names (``*`` is any key), with their values."""
    if not pattern:
        yield above, data
        return
    if not isinstance(data, Mapping):
        return
    keys = list(data) if pattern[0] == "*" else [key for key in (pattern[0],) if key in data]
    for key in keys:
        yield from matches(data[key], pattern[1:], (*above, key))

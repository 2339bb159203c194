"""What can go wrong with a place where roles run."""

from __future__ import annotations

from collections.abc import Sequence


class ClusterError(Exception):
    """Something about where roles run; the message says what to do."""


class RoleLost(ClusterError):
    """A role's process is gone."""


class RoleSilent(ClusterError):
    """A role did not answer in time."""


class CannotPlace(ClusterError):
    """The machine does not have what a role demands."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type's name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def some_of(names: Sequence[object], most: int = 3) -> str:
    """The first of several names, and how many there are more."""
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more:,} more" if more > 0 else "")

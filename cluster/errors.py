"""What can go wrong with a place where roles run."""

from __future__ import annotations


class ClusterError(Exception):
    """Something about where roles run; the message says what to do."""


class RoleLost(ClusterError):
    """A role's process is gone."""


class RoleSilent(ClusterError):
    """A role did not answer in time."""


class CannotPlace(ClusterError):
    """The machine does not have what a role demands."""

"""What can go wrong with teachers."""

from __future__ import annotations

from cluster.errors import ClusterError
from students.errors import StudentError


class TeacherError(StudentError):
    """A teacher that cannot be made ready, or does not fit the transfer set."""


class TeacherLost(ClusterError):
    """A teacher is gone and does not come back, or the recipe says not to wait for it."""

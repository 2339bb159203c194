"""What can go wrong with teachers."""

from __future__ import annotations

from students.errors import StudentError


class TeacherError(StudentError):
    """A teacher that cannot be made ready, or does not fit the transfer set."""


class TeacherLost(TeacherError):
    """A teacher is gone and does not come back, or the recipe says not to wait for it."""

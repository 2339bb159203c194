"""Exceptions of teachers and their answers."""

from __future__ import annotations

from cluster.errors import ClusterError
from students.errors import UserError


class TeacherError(UserError):
    """A teacher that cannot be loaded, fails the parity gate or does not fit the transfer set."""


class InvalidAnswer(TeacherError):
    """An answer has a value that is not a number; ``on_teacher_loss`` says what follows."""


class TeacherLost(ClusterError):
    """A teacher is gone and does not come back, or the recipe says not to wait for it."""


class BankError(TeacherError):
    """A bank that cannot be used: another format, no rights, too small a budget."""


class AnswersGone(ClusterError):
    """Stored answers that a stage was started with are corrupt or evicted; teachers are needed."""

"""What can go wrong with teachers."""

from __future__ import annotations

from cluster.errors import ClusterError
from students.errors import UserError


class TeacherError(UserError):
    """A teacher that cannot be made ready, or does not fit the transfer set."""


class InvalidAnswer(TeacherError):
    """An answer with a value that is not a number; what becomes of it says ``on_teacher_loss``."""


class TeacherLost(ClusterError):
    """A teacher is gone and does not come back, or the recipe says not to wait for it."""


class BankError(TeacherError):
    """A bank that cannot be used: another format, no rights, too small a budget."""


class AnswersGone(ClusterError):
    """Stored answers that a stage was begun with are spoilt or evicted; teachers are needed."""

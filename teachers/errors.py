"""Exceptions of teachers and their answers."""

from __future__ import annotations

from cluster.errors import ClusterError
from students.errors import UserError


class TeacherError(UserError):
    """A teacher that cannot be loaded, fails the parity gate or does not fit the transfer set."""


class InvalidAnswer(TeacherError):
    """An answer has a value that is not a number; ``on_teacher_loss`` says what follows."""


class TeacherLost(ClusterError):
    """A ``replica`` of a ``teacher`` is gone and does not come back, or the recipe says not to
    wait for it."""

    def __init__(self, teacher: str, replica: int, reason: str) -> None:
        super().__init__(teacher, replica, reason)
        self.teacher = teacher
        self.replica = replica
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"teacher '{self.teacher}' is lost (replica {self.replica}: {self.reason}); run the "
            "same command again to go on, or set `ensemble.on_teacher_loss` to wait"
        )


class TeacherSilent(ClusterError):
    """A ``replica`` of a ``teacher`` has given no answer for ``seconds``; the ``slowest`` that it
    gave the same rank before took so many, if there was one. The rank does not retry, since only
    the driver can end a process that is stuck."""

    def __init__(
        self, teacher: str, replica: int, seconds: float, slowest: float | None = None
    ) -> None:
        super().__init__(teacher, replica, seconds, slowest)
        self.teacher = teacher
        self.replica = replica
        self.seconds = seconds
        self.slowest = slowest

    @property
    def seen(self) -> str:
        """What the rank has seen of it."""
        before = (
            "none before" if self.slowest is None else f"the slowest after {self.slowest:.2g} s"
        )
        return f"no answer for {self.seconds:g} s, and {before}"

    def __str__(self) -> str:
        return (
            f"teacher '{self.teacher}' (replica {self.replica}) gave {self.seen} "
            "(`timeouts.teacher`); run the same command again to go on, or raise that setting if "
            "its answers take longer"
        )


class BankError(TeacherError):
    """A bank that cannot be used: another format, no rights, too small a budget."""


class AnswersGone(ClusterError):
    """Stored answers that a stage was started with are corrupt or evicted; teachers are needed."""

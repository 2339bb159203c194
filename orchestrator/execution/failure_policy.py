"""Decides why an attempt at a stage has failed, and whether the stage is tried again.

Pure: nothing here starts, ends or waits for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cluster.errors import CannotPlace, ClusterError, RoleLost, RoleSilent, first_line
from students.errors import CheckpointError, UserError
from teachers.errors import AnswersGone, TeacherLost, TeacherSilent

MOST_FAILURES = 3
"""Failures in a row, without a new checkpoint in between, after which a stage is given up."""

_NEVER = (UserError, CheckpointError, CannotPlace, TeacherLost)
"""What another attempt cannot change, or what the recipe wants to end the stage."""


class Cause(StrEnum):
    """Why a role has failed, in words."""

    LOST = "was lost"
    SILENT = "was silent"
    MEMORY = "ran out of memory"
    RAISED = "has raised an error"
    ANSWERS = "needs answers that are no longer stored"


@dataclass(frozen=True)
class Failure:
    """A failed attempt: which ``role`` failed and why; ``setting`` decided that, if one did;
    ``step`` is that of the last checkpoint."""

    role: str
    cause: Cause
    detail: str
    step: int
    setting: str = ""

    def __str__(self) -> str:
        decided = f"; the limit is `{self.setting}`" if self.setting else ""
        return f"{self.role} {self.cause} ({self.detail}{decided})"


@dataclass(frozen=True)
class Decision:
    """Whether the stage is tried ``again``, and why, in a sentence."""

    again: bool
    sentence: str


def failure_of(error: BaseException, role: str, step: int) -> Failure | None:
    """The failure of ``role`` that ``error`` is; none if it is not one of a role or a machine: a
    mistake in the recipe or in the user's code, a full disk, an interrupt."""
    if isinstance(error, _NEVER) or not isinstance(error, Exception) or _is_disk(error):
        return None
    cause, setting = Cause.RAISED, ""
    if isinstance(error, TeacherSilent):
        cause, setting, role = Cause.SILENT, "timeouts.teacher", f"teacher {error.teacher}"
    elif isinstance(error, RoleSilent):
        cause, setting = Cause.SILENT, "timeouts.rank"
    elif isinstance(error, RoleLost):
        cause = Cause.LOST
    elif isinstance(error, AnswersGone):
        cause = Cause.ANSWERS
    elif _is_memory(error):
        cause = Cause.MEMORY
    # The role is named already.
    detail = first_line(error).rpartition(" is gone: ")[2]
    if isinstance(error, TeacherSilent):
        detail = error.seen
    return Failure(role, cause, detail, step, setting)


def decide(stage: str, failures: Sequence[Failure]) -> Decision:
    """Whether ``stage``, all of whose ``failures`` these are, is tried again after the last one."""
    last = failures[-1]
    in_a_row = 0
    for failure in reversed(failures):
        if failure.step != last.step:
            break
        in_a_row += 1
    if in_a_row < MOST_FAILURES:
        return Decision(
            True,
            f"{last}; it is started again, and stage '{stage}' goes on from step {last.step} "
            f"(failure {in_a_row} of at most {MOST_FAILURES} without a new checkpoint)",
        )
    remedy = f"raise `{last.setting}` if it needs more time, and " if last.setting else ""
    return Decision(
        False,
        f"stage '{stage}' was given up at step {last.step} after {in_a_row} failures without a new "
        f"checkpoint, the last of which: {last}; {remedy}run the same command again to go on from "
        "there",
    )


def _is_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError))


def _is_memory(error: BaseException) -> bool:
    # Torch raises a RuntimeError with such a message; Ray's process is killed by its monitor.
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text


class StageGivenUp(ClusterError):
    """A stage has failed too often in a row."""

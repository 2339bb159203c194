"""What follows from which error, after how many of them; and what is said of it."""

from __future__ import annotations

import pytest

from cluster.errors import CannotPlace, ClusterError, RoleLost, RoleSilent
from orchestrator.execution.failure_policy import (
    MOST_FAILURES,
    Cause,
    Failure,
    decide,
    failure_of,
)
from students.errors import CheckpointError, StaleAttempt, TrainingError
from teachers.errors import AnswersGone, InvalidAnswer, TeacherError, TeacherLost, TeacherSilent

RANK = "student, rank 0"

TABLE = [
    # A role or a machine has failed: the stage is tried again.
    (RoleLost("role 'student, rank 0' is gone: its process has died"), Cause.LOST, ""),
    (RoleSilent("nothing for 5 s"), Cause.SILENT, "timeouts.rank"),
    (TeacherSilent("wide", 1, 8.0), Cause.SILENT, "timeouts.teacher"),
    (AnswersGone("they are gone"), Cause.ANSWERS, ""),
    (MemoryError(), Cause.MEMORY, ""),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), Cause.MEMORY, ""),
    (RuntimeError("CUDA out of memory"), Cause.MEMORY, ""),
    (RoleLost("Worker killed: out of memory"), Cause.LOST, ""),
    (RuntimeError("an odd one"), Cause.RAISED, ""),
    (ClusterError("a connection is closed"), Cause.RAISED, ""),
    (ConnectionResetError("by a peer"), Cause.RAISED, ""),
    (TimeoutError("of a collective operation"), Cause.RAISED, ""),
    # Another attempt would change nothing.
    (TrainingError("gradients are not finite ten times"), None, ""),
    (TeacherError("it fails the parity gate"), None, ""),
    (InvalidAnswer("NaN"), None, ""),
    (CheckpointError("no space"), None, ""),
    (StaleAttempt("a later one has begun"), None, ""),
    (CannotPlace("more than the machine has"), None, ""),
    (TeacherLost("wide", 0, "the recipe says `fail`"), None, ""),
    (OSError(28, "No space left on device"), None, ""),
    (KeyboardInterrupt(), None, ""),
    (SystemExit(1), None, ""),
]


@pytest.mark.parametrize(("error", "cause", "setting"), TABLE, ids=lambda value: repr(value)[:40])
def test_which_errors_are_those_of_a_role(
    error: BaseException, cause: Cause | None, setting: str
) -> None:
    failure = failure_of(error, RANK, 12)
    if cause is None:
        assert failure is None
        return
    assert failure is not None
    assert (failure.cause, failure.setting, failure.step) == (cause, setting, 12)
    assert failure.role == ("teacher wide" if isinstance(error, TeacherSilent) else RANK)
    decision = decide("student", [failure])
    assert decision.again
    assert decision.sentence.startswith(f"{failure.role} {cause.value} (")


def failures(*steps: int) -> list[Failure]:
    return [Failure(RANK, Cause.LOST, "its process has died", step) for step in steps]


@pytest.mark.parametrize(
    ("steps", "again"),
    [
        ((0,), True),
        ((0, 0), True),
        ((0, 0, 0), False),
        ((4, 8, 12, 16, 20), True),
        ((0, 0, 4, 4), True),
        ((0, 0, 4, 4, 4), False),
        ((4, 4, 0, 4, 4), True),
    ],
)
def test_a_stage_is_given_up_after_three_failures_in_a_row_without_a_new_checkpoint(
    steps: tuple[int, ...], again: bool
) -> None:
    assert MOST_FAILURES == 3
    assert decide("student", failures(*steps)).again is again


def test_the_sentence_names_the_role_what_happened_the_setting_and_what_follows() -> None:
    silent = failure_of(TeacherSilent("wide", 0, 8.0), RANK, 40)
    assert silent is not None
    assert decide("student", [silent]).sentence == (
        "teacher wide was silent (no answer for 8 s, and none before; the limit is "
        "`timeouts.teacher`); it is started again, and stage 'student' goes on from step 40 "
        "(failure 1 of at most 3 without a new checkpoint)"
    )
    assert decide("student", failures(4, 4, 4)).sentence == (
        "stage 'student' was given up at step 4 after 3 failures without a new checkpoint, the "
        "last of which: student, rank 0 was lost (its process has died); run the same command "
        "again to go on from there"
    )

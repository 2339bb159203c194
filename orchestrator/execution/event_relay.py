"""Relays the events of a stage's ranks, and finds out which role ends an attempt early.

Waits for the events of rank 0, each within ``timeouts.rank``; freed by an event, by the rank's
loss, or by the runtime being closed. Then for the other ranks' ends, likewise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from cluster.errors import ClusterError, RoleLost, RoleSilent
from cluster.runtime import Future, Handle, Stream
from orchestrator.planning.stage import Stage
from students.errors import UserError
from students.events import Event
from students.training.student_rank import Position, StudentRank
from teachers.errors import AnswersGone, TeacherLost, TeacherSilent

EVENTS_AHEAD = 64

SECONDS_FOR_REASON = 5.0
"""How long a rank may take to report why it ended, or that it lives, once one has failed."""

_SECONDS_BETWEEN_LOOKS = 2.0

_REASONS = (UserError, AnswersGone, TeacherLost, TeacherSilent)
"""What a rank raises that knows why the attempt must end; the others then lose their connection."""


class RoleFailed(Exception):
    """An attempt has ended with ``error``, for which a rank is to blame."""

    def __init__(self, stage: Stage, rank: int, error: Exception) -> None:
        super().__init__(stage, rank, error)
        self.role = title_of(stage, rank)
        self.rank = rank
        self.error = error


def relay_events(
    stage: Stage,
    ranks: Sequence[Handle[StudentRank]],
    on_event: Callable[[Event], None],
    stopping: threading.Event,
) -> None:
    """Has the ranks train, and calls ``on_event`` with each event until they are done.

    Raises:
        RoleFailed: a role has ended the attempt.
        KeyboardInterrupt: ``stopping`` was set.
    """
    first, *others = ranks
    followers = [rank.call(StudentRank.follow) for rank in others]
    events = first.stream(EVENTS_AHEAD, StudentRank.train)
    patience = stage.timeouts.rank.total_seconds()
    try:
        while True:
            on_event(_next(events, patience, stopping))
    except StopIteration:
        for rank, follower in enumerate(followers, 1):
            _finish(stage, rank, follower, patience)
    except RoleSilent:
        raise _silent(stage, ranks, patience) from None
    except Exception as error:
        raise _blame(stage, ranks, [error, *map(_error_of, followers)]) from error
    finally:
        events.close()


def title_of(stage: Stage, rank: int) -> str:
    """What a rank is called in messages."""
    return f"{stage.title}, rank {rank}"


def _next(events: Stream[Event], patience: float, stopping: threading.Event) -> Event:
    """The next event; looks up now and then, for ``stopping`` may be set meanwhile."""
    end = time.monotonic() + patience
    while True:
        if stopping.is_set():
            raise KeyboardInterrupt
        left = end - time.monotonic()
        try:
            return events.next(max(0.1, min(_SECONDS_BETWEEN_LOOKS, left)))
        except RoleSilent:
            if left <= _SECONDS_BETWEEN_LOOKS:
                raise


def _finish(stage: Stage, rank: int, follower: Future[None], patience: float) -> None:
    try:
        follower.result(patience)
    except Exception as error:
        raise RoleFailed(stage, rank, error) from error


def _error_of(follower: Future[None]) -> Exception | None:
    try:
        follower.result(SECONDS_FOR_REASON)
    except Exception as error:  # noqa: BLE001 - it is looked at, and raised if it is the reason
        return error
    return None


def _blame(
    stage: Stage, ranks: Sequence[Handle[StudentRank]], errors: Sequence[Exception | None]
) -> RoleFailed:
    """Of the errors by rank the one to report: all others follow from it."""
    for kinds in (RoleLost, _REASONS, RoleSilent):
        for rank, error in enumerate(errors):
            if isinstance(error, kinds):
                if isinstance(error, RoleSilent):
                    error = RoleSilent(_describe(_position(ranks[rank])))
                return RoleFailed(stage, rank, error)
    rank, error = next((rank, error) for rank, error in enumerate(errors) if error is not None)
    return RoleFailed(stage, rank, error)


def _silent(stage: Stage, ranks: Sequence[Handle[StudentRank]], patience: float) -> RoleFailed:
    """Which rank holds up the others: one whose process does not respond, or that does not wait
    for the others in a collective operation."""
    positions = [_position(rank) for rank in ranks]
    stuck = [rank for rank, position in enumerate(positions) if position is None]
    stuck += [rank for rank, each in enumerate(positions) if each and not each.in_collective]
    rank = (stuck or [0])[0]
    reason = f"nothing for {patience:g} s, {_describe(positions[rank])}"
    return RoleFailed(stage, rank, RoleSilent(reason))


def _position(rank: Handle[StudentRank]) -> Position | None:
    """Where the rank is in its code; none if its process does not respond."""
    try:
        return rank.control(StudentRank.position).result(SECONDS_FOR_REASON)
    except ClusterError:
        return None


def _describe(position: Position | None) -> str:
    return "its process does not respond" if position is None else f"it is at {position.place}"

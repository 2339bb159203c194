"""Relays the events of a stage's ranks, and finds out which role ends an attempt early.

Waits for the events of rank 0, each within ``timeouts.rank``; freed by an event, by a rank's error
or loss, by ``stopping``, or by the runtime being closed. Then for the other ranks' ends, likewise.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from cluster.errors import ClusterError, RoleLost, RoleSilent
from cluster.runtime import Future, Handle
from orchestrator.planning.stage import Stage
from students.errors import UserError
from students.events import Event
from students.training.student_rank import Position, StudentRank
from teachers.errors import AnswersGone, TeacherLost, TeacherSilent

EVENTS_AHEAD = 64

SECONDS_FOR_REASON = 5.0
"""How long a rank may take to report why it ended, or that it lives, once one has failed."""

_SECONDS_BETWEEN_LOOKS = 2.0

_CONNECTION_LOST = re.compile("connection (closed|reset)|broken pipe", re.IGNORECASE)
"""What a rank raises whose connection to another one has ended with that one."""

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
    with closing(_events(stage, ranks, stopping)) as events:
        for event in events:
            on_event(event)


def _events(
    stage: Stage, ranks: Sequence[Handle[StudentRank]], stopping: threading.Event
) -> Generator[Event]:
    first, *others = ranks
    followers = [rank.call(StudentRank.follow) for rank in others]
    events = first.stream(EVENTS_AHEAD, StudentRank.train)
    patience = stage.timeouts.rank.total_seconds()
    last, failed_since = time.monotonic(), None
    try:
        while not stopping.is_set():
            try:
                event = events.next(_SECONDS_BETWEEN_LOOKS)
            except StopIteration:
                break
            except RoleSilent:
                errors = [None, *(_error_of(follower, 0.0) for follower in followers)]
                if any(error is not None for error in errors):
                    # Perhaps because rank 0 is gone, which they may notice before the runtime does.
                    failed_since = failed_since or time.monotonic()
                    if time.monotonic() - failed_since >= SECONDS_FOR_REASON:
                        raise _blame(stage, ranks, errors) from None
                elif time.monotonic() - last >= patience:
                    raise _silent(stage, ranks, patience) from None
            except Exception as error:
                errors = [error, *(_error_of(each, SECONDS_FOR_REASON) for each in followers)]
                raise _blame(stage, ranks, errors) from error
            else:
                last = time.monotonic()
                yield event
                last = time.monotonic()
        if stopping.is_set():
            raise KeyboardInterrupt
        for rank, follower in enumerate(followers, 1):
            try:
                follower.result(patience)
            except Exception as error:
                raise RoleFailed(stage, rank, error) from error
    finally:
        events.close()


def title_of(stage: Stage, rank: int) -> str:
    """What a rank is called in messages."""
    return f"{stage.title}, rank {rank}"


def _error_of(follower: Future[None], seconds: float) -> Exception | None:
    """What has ended a rank, which may take so many seconds to say it; none while it works."""
    try:
        follower.result(seconds)
    except RoleSilent as silent:
        return silent if seconds else None
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
    failed = [(rank, error) for rank, error in enumerate(errors) if error is not None]
    # A rank whose connection to another is closed has failed because of that other.
    own = [(rank, error) for rank, error in failed if not _CONNECTION_LOST.search(str(error))]
    return RoleFailed(stage, *(own or failed)[0])


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

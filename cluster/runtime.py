"""Where roles run: the protocol of a runtime and the typed handles it gives out.

A *role* is an ordinary object that works in one process. A runtime starts it somewhere
and returns a ``Handle``; nothing else depends on where the role lives. Handles can be passed to
other roles, which then call without going through the driver.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")


STREAMS_PER_PROCESS = 24
"""Streams that one process serves at the same time; one more waits until another has ended.

Each is a thread that sleeps until it is used: 24 cost 0.2 MB and 0.1 s of a core more than 3.
"""


@dataclass(frozen=True)
class Demand:
    """What a role needs: logical ``cpus`` and ``gpus``, and ``environment`` variables, which are
    set before its process starts."""

    cpus: float = 1.0
    gpus: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Place:
    """One demand that is taken, for one role: what ``Runtime.reserve`` gives."""

    name: str
    demand: Demand


class Future(Protocol[T_co]):
    """The answer to one call."""

    def result(self, timeout: float | None = None) -> T_co:
        """Waits for the answer.

        Raises:
            RoleLost: the role's process is gone.
            RoleSilent: no answer within ``timeout`` seconds.
            Exception: whatever the role raised.
        """


class Stream(Protocol[T_co]):
    """The answers of a role's generator, in order, a bounded number of them ahead."""

    def next(self, timeout: float | None = None) -> T_co:
        """The next answer.

        Raises:
            StopIteration: the generator has ended.
            RoleLost, RoleSilent: as for ``Future.result``.
            Exception: whatever the role raised.
        """

    def close(self) -> None:
        """Frees the role, however many answers were taken. May be called twice."""


class Handle(Protocol[R_co]):
    """A role somewhere. Methods are named by the role's own class, so mypy checks the call."""

    def call(
        self, method: Callable[Concatenate[R_co, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` of the role, after the calls made before it."""

    def control(
        self, method: Callable[Concatenate[R_co, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` beside whatever the role is doing: for health checks."""

    def stream(
        self,
        ahead: int,
        method: Callable[Concatenate[R_co, P], Iterator[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Stream[T]:
        """Runs the generator ``method``, which may work ``ahead`` answers ahead of its reader."""

    def responds(self, seconds: float) -> bool:
        """Whether the role is there and its process answers within ``seconds``.

        A process that computes answers, unless it keeps Python's lock; one that is stopped or gone
        does not, nor one that was started again and whose role was not revived.
        """

    def revive(self) -> None:
        """Builds a lost role again from what it was started with; does nothing to a live one.

        Safe from several processes at once.

        Raises:
            RoleLost: the role was retired, or its runtime is closed.
            Exception: whatever the role's constructor raised.
        """


class Runtime(Protocol):
    """Starts roles and ends them. Closing it ends every role it started."""

    parallel: bool
    """Whether roles of several stages can work at one time."""

    @property
    def starts(self) -> int:
        """How often it was started: where it was again, all roles before are gone."""

    def reserve(
        self, name: str, demands: Sequence[Demand], stopping: threading.Event | None = None
    ) -> tuple[Place, ...]:
        """Takes all ``demands`` at one moment, once they are free together; one place for each.

        Waits as long as others hold what is missing, and holds nothing meanwhile. Who asks first
        is served first, so that a large request is not passed by small ones for ever.

        Raises:
            CannotPlace: more is demanded than the runtime has.
            ClusterError: the runtime is closed.
            KeyboardInterrupt: the run is ``stopping`` while it waits.
        """

    def release(self, place: Place) -> None:
        """Gives a place back in which no role was started; does nothing to any other."""

    def grow(self, cpus: float) -> None:
        """Raises the logical CPUs to ``cpus``, if there are fewer."""

    def start(
        self,
        where: Place | Demand,
        name: str,
        role: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Handle[R]:
        """Starts ``role(*args, **kwargs)`` under ``name`` in a place; a demand is reserved first.

        Returns when the role is built, so its constructor must not wait for another role.
        Roles run elsewhere: paths in ``args`` are absolute, arrays may arrive read-only.
        The place is given back when the role is retired or killed, or if it cannot be built.

        Raises:
            CannotPlace: the machine does not have what is demanded.
            ClusterError: the place was given back, or used before.
            Exception: whatever the constructor raised.
        """

    def warm(self, count: int, demand: Demand | None = None, modules: Sequence[str] = ()) -> None:
        """Makes processes ready for roles like ``demand``, until ``count`` are idle.

        They import ``modules``; the call itself does not wait.
        """

    def retire(self, handle: Handle[Any]) -> None:
        """Ends a role permanently and in order; its process may serve another role.

        May be called twice, and on a role that is lost.
        """

    def kill(self, handle: Handle[Any]) -> None:
        """Ends a role and its process at once, as a crash would; ``revive`` builds it again.

        It ends a process that is stopped, too.
        """

    def close(self) -> None:
        """Ends every role. May be called twice."""

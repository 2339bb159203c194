"""The runtime without processes: roles are plain objects, called on the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent import futures
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from cluster.errors import ClusterError, RoleLost
from cluster.runtime import Demand, Future, Handle, Place, Stream

R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")


class InProcessRuntime:
    """Starts roles as objects of this process, for debugging and for small runs.

    There is room for every role and nothing waits: ``Demand`` is ignored, its ``environment`` as
    well, since this process has started already.
    """

    parallel = False
    starts = 1

    def __init__(self) -> None:
        self._handles: list[_Handle[Any]] = []
        self._closed = False

    def reserve(
        self, name: str, demands: Sequence[Demand], stopping: threading.Event | None = None
    ) -> tuple[Place, ...]:
        """A place for each demand, at once."""
        self._refuse_if_closed(name)
        return tuple(Place(name, demand) for demand in demands)

    def release(self, place: Place) -> None:
        """Does nothing: places are not counted."""

    def grow(self, cpus: float) -> None:
        """Does nothing: CPUs are not counted."""

    def start(
        self,
        where: Place | Demand,
        name: str,
        role: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Handle[R]:
        """Builds ``role(*args, **kwargs)`` here; what its constructor raises is raised here."""
        self._refuse_if_closed(name)
        handle = _Handle(name, lambda: role(*args, **kwargs))
        self._handles.append(handle)
        return cast(Handle[R], handle)

    def warm(self, count: int, demand: Demand | None = None, modules: Sequence[str] = ()) -> None:
        """Does nothing: there are no processes to make ready."""

    def retire(self, handle: Handle[Any]) -> None:
        """Drops the role permanently. May be called twice."""
        owned = self._own(handle)
        owned.drop("it was retired", for_good=True)
        if owned in self._handles:
            self._handles.remove(owned)

    def kill(self, handle: Handle[Any]) -> None:
        """Drops the role as a crash would; ``revive`` builds it again."""
        self._own(handle).drop("it was killed", for_good=False)

    def close(self) -> None:
        """Drops every role. May be called twice."""
        self._closed = True
        for handle in self._handles:
            handle.drop("the runtime is closed", for_good=True)
        self._handles.clear()

    def _refuse_if_closed(self, name: str) -> None:
        if self._closed:
            raise ClusterError(f"'{name}' cannot start, for the runtime is closed")

    def _own(self, handle: Handle[Any]) -> _Handle[Any]:
        if not isinstance(handle, _Handle):
            raise ClusterError(f"{handle!r} was not started by this runtime; give one that was")
        return handle


class _Handle(Generic[R]):
    """A role of this process, or the reason why it is gone."""

    def __init__(self, name: str, build: Callable[[], R]) -> None:
        self.name = name
        self._build = build
        self._role: R | None = build()
        self._reason = ""
        self._for_good = False

    def call(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        answer: futures.Future[T] = futures.Future()
        try:
            answer.set_result(getattr(self.role(), method.__name__)(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an answer's error belongs to its future
            answer.set_exception(error)
        return answer

    control = call

    def stream(
        self,
        ahead: int,
        method: Callable[Concatenate[R, P], Iterator[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Stream[T]:
        if ahead < 1:
            raise ValueError(f"`ahead` is {ahead}; it must be at least 1")
        return _Stream(self, lambda role: getattr(role, method.__name__)(*args, **kwargs))

    def responds(self, seconds: float) -> bool:
        return self._role is not None

    def revive(self) -> None:
        if self._for_good:
            raise self.lost_error()
        if self._role is None:
            self._role = self._build()

    def role(self) -> R:
        if self._role is None:
            raise self.lost_error()
        return self._role

    def lost_error(self) -> RoleLost:
        return RoleLost(f"role '{self.name}' is gone: {self._reason}")

    def drop(self, reason: str, *, for_good: bool) -> None:
        if not self._for_good:
            self._role, self._reason, self._for_good = None, reason, for_good


class _Stream(Generic[T]):
    """A lazy generator: each answer is computed when it is taken."""

    def __init__(self, handle: _Handle[Any], begin: Callable[[Any], Iterator[T]]) -> None:
        self._handle = handle
        self._begin = begin
        self._answers: Iterator[T] | None = None
        self._role: object = None
        self._closed = False

    def next(self, timeout: float | None = None) -> T:
        if self._closed:
            raise StopIteration
        if self._answers is None:
            self._role = self._handle.role()
            self._answers = self._begin(self._role)
        elif self._handle.role() is not self._role:
            # A revived role does not continue the streams of the one before it.
            raise self._handle.lost_error()
        return next(self._answers)

    def close(self) -> None:
        self._closed = True
        answers, self._answers = self._answers, None
        if isinstance(answers, Generator):
            answers.close()

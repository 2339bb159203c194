"""Handles of roles that live in Ray actors, calls that wait for them, and Ray's errors as ours.

A thread that waits for Ray while it is shut down waits for ever. So every wait is counted in
``PENDING_CALLS``; closing the runtime ends the roles first, which frees the waiting threads,
and shuts Ray down once none is left.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import ray
from ray import exceptions

from cluster.errors import ClusterError, RoleLost, RoleSilent, first_line
from cluster.ray.host import RoleAbsent
from cluster.runtime import Future, Stream

R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")

_COLOURS = re.compile(r"\x1b\[\d+m")

BUILDING_SECONDS = 300.0
"""How long a process may take to start and build its role."""


class PendingCalls:
    """Counts the threads of this process that wait for Ray."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts the calling thread while the context is open."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def wait_until_none(self, timeout: float) -> None:
        """Waits until no thread waits for Ray, at most ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0, timeout)


PENDING_CALLS = PendingCalls()
"""Of this process: Ray itself is one to a process."""


@dataclass(frozen=True)
class RayHandle(Generic[R]):
    """A role in a host's process; may be passed to roles in other processes.

    ``construction`` refers to what the role was started with, so each copy can revive it.
    """

    name: str
    serial: int
    host: Any
    construction: Any

    def call(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` of the role, after the calls made before it."""
        return _RayFuture(self.name, self._remote(self.host.call, method.__name__, args, kwargs))

    def control(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` beside whatever the role is doing."""
        beside = self.host.call.options(concurrency_group="control")
        return _RayFuture(self.name, self._remote(beside, method.__name__, args, kwargs))

    def stream(
        self,
        ahead: int,
        method: Callable[Concatenate[R, P], Iterator[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Stream[T]:
        """Runs the generator ``method``, at most ``ahead`` answers ahead of its reader."""
        if ahead < 1:
            raise ValueError(f"`ahead` is {ahead}; it must be at least 1")
        bounded = self.host.stream.options(
            num_returns="streaming",
            _generator_backpressure_num_objects=ahead,
            concurrency_group="streams",
        )
        return _RayStream(self.name, self._remote(bounded, method.__name__, args, kwargs))

    def revive(self) -> None:
        """Builds a lost role again; does nothing to a live one."""
        self.build(fresh=False)

    def build(self, *, fresh: bool) -> None:
        """Has the host build the role; waits until its process runs, restarted if need be."""
        answer = self._remote(self.host.build, self.construction, fresh)
        with _translate_errors(self.name):
            ray.get(answer, timeout=BUILDING_SECONDS)

    def _remote(self, method: Any, *args: Any) -> Any:
        if not ray.is_initialized():
            raise RoleLost(f"role '{self.name}' is gone: the runtime is closed")
        return method.remote(self.serial, *args)


class _RayFuture(Generic[T]):
    def __init__(self, name: str, reference: Any) -> None:
        self._name = name
        self._reference = reference

    def result(self, timeout: float | None = None) -> T:
        with _translate_errors(self._name):
            answer: T = ray.get(self._reference, timeout=timeout)
        return answer


class _RayStream(Generic[T]):
    """The answers of a role's generator.

    A generator without a reader occupies one of its role's threads for ever; so it is cancelled
    by ``close``, and by the garbage collector where that was forgotten.
    """

    def __init__(self, name: str, generator: Any) -> None:
        self._name = name
        self._generator = [generator]
        self._release = weakref.finalize(self, _cancel, self._generator)
        self._release.atexit = False

    def next(self, timeout: float | None = None) -> T:
        if not self._generator:
            raise StopIteration
        generator = self._generator[0]
        with _translate_errors(self._name):
            if timeout is not None:
                ready, _ = ray.wait([generator], timeout=timeout, fetch_local=False)
                if not ready:
                    raise exceptions.GetTimeoutError(f"none within {timeout:g} s")
            try:
                reference = next(generator)
            except StopIteration:
                self._generator.clear()
                raise
            answer: T = ray.get(reference, timeout=timeout)
        return answer

    def close(self) -> None:
        self._release()


def _cancel(generator: list[Any]) -> None:
    if generator and ray.is_initialized():
        ray.cancel(generator[0])
    # A cancelled generator looks up once a second; without a reference to it, it ends at once.
    generator.clear()


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Raises Ray's errors as ours; a role's own as it raised them, with its traceback as a note."""
    try:
        with PENDING_CALLS.counted():
            yield
    except exceptions.GetTimeoutError as error:
        raise RoleSilent(f"role '{name}' did not answer in time: {error}") from None
    except exceptions.RayTaskError as error:
        raise _cause(name, error) from None
    except exceptions.ActorUnavailableError:
        raise RoleLost(f"role '{name}' is gone: its process ended and is restarting") from None
    except exceptions.RayActorError as error:
        raise RoleLost(f"role '{name}' is gone: {first_line(error)}") from None
    except exceptions.TaskCancelledError:
        raise RoleLost(f"role '{name}' is gone: its stream was closed elsewhere") from None
    except exceptions.RayError as error:
        raise RoleLost(f"role '{name}' cannot be reached: {first_line(error)}") from None


def _cause(name: str, error: Any) -> BaseException:
    cause = error.cause
    if isinstance(cause, RoleAbsent):
        return RoleLost(f"role '{name}' is gone: {cause}")
    if not isinstance(cause, BaseException):
        return ClusterError(f"role '{name}' failed: {error}")
    cause.add_note(f"In role '{name}':\n{_COLOURS.sub('', str(error))}")
    return cause

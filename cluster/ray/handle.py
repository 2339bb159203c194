"""Handles of roles that live in Ray actors, and Ray's errors in our words."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import ray
from ray import exceptions

from cluster.errors import ClusterError, RoleLost, RoleSilent
from cluster.ray.host import NotHeld
from cluster.ray.pending_calls import WAITS
from cluster.runtime import Future, Stream

R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")

_COLOURS = re.compile(r"\x1b\[\d+m")

BUILDING_SECONDS = 300.0
"""How long a process may take to start and build its role."""


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
        self._connected()
        return RayFuture(
            self.name, self.host.call.remote(self.serial, method.__name__, args, kwargs)
        )

    def control(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` beside whatever the role is doing."""
        self._connected()
        beside = self.host.call.options(concurrency_group="control")
        return RayFuture(self.name, beside.remote(self.serial, method.__name__, args, kwargs))

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
        self._connected()
        bounded = self.host.stream.options(
            num_returns="streaming",
            _generator_backpressure_num_objects=ahead,
            concurrency_group="streams",
        )
        return RayStream(self.name, bounded.remote(self.serial, method.__name__, args, kwargs))

    def revive(self) -> None:
        """Builds a lost role anew; does nothing to a live one."""
        self._connected()
        self.become(fresh=False)

    def become(self, *, fresh: bool) -> None:
        """Has the host build the role; waits for its process to stand, also once more."""
        answer = self.host.become.remote(self.serial, self.construction, fresh)
        with told(self.name):
            ray.get(answer, timeout=BUILDING_SECONDS)

    def _connected(self) -> None:
        # Any call on a Ray that was shut down would silently start another one.
        if not ray.is_initialized():
            raise RoleLost(f"role '{self.name}' is gone: the runtime is closed")


class RayFuture(Generic[T]):
    """The answer to one call, wherever it is."""

    def __init__(self, name: str, reference: Any) -> None:
        self._name = name
        self._reference = reference

    def result(self, timeout: float | None = None) -> T:
        """Waits for the answer."""
        with told(self._name):
            answer: T = ray.get(self._reference, timeout=timeout)
        return answer


class RayStream(Generic[T]):
    """The answers of a role's generator.

    A generator that nobody reads occupies one of its role's threads for ever; so it is
    cancelled by ``close``, and by the garbage collector where that was forgotten.
    """

    def __init__(self, name: str, generator: Any) -> None:
        self._name = name
        self._held = [generator]
        self._release = weakref.finalize(self, _cancel, self._held)
        self._release.atexit = False

    def next(self, timeout: float | None = None) -> T:
        """The next answer."""
        if not self._held:
            raise StopIteration
        generator = self._held[0]
        with told(self._name):
            if timeout is not None:
                ready, _ = ray.wait([generator], timeout=timeout, fetch_local=False)
                if not ready:
                    raise exceptions.GetTimeoutError(f"none within {timeout:g} s")
            try:
                reference = next(generator)
            except StopIteration:
                self._held.clear()
                raise
            answer: T = ray.get(reference, timeout=timeout)
        return answer

    def close(self) -> None:
        """Frees the role, however many answers were taken."""
        self._release()


def _cancel(held: list[Any]) -> None:
    if held and ray.is_initialized():
        ray.cancel(held[0])
    # A cancelled generator looks up once a second; one that nobody refers to ends at once.
    held.clear()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Says Ray's errors in our words: a role's own errors as they were raised.

    Raises:
        RoleLost, RoleSilent: as the names say.
        Exception: what the role raised, with its own traceback as a note.
    """
    try:
        with WAITS.one():
            yield
    except exceptions.GetTimeoutError as error:
        raise RoleSilent(f"role '{name}' did not answer in time: {error}") from None
    except exceptions.RayTaskError as error:
        raise _cause(name, error) from None
    except exceptions.ActorUnavailableError:
        raise RoleLost(f"role '{name}' is gone: its process ended and starts anew") from None
    except exceptions.RayActorError as error:
        raise RoleLost(f"role '{name}' is gone: {_first_line(error)}") from None
    except exceptions.TaskCancelledError:
        raise RoleLost(f"role '{name}' is gone: its stream was closed elsewhere") from None
    except exceptions.RayError as error:
        raise RoleLost(f"role '{name}' cannot be reached: {_first_line(error)}") from None


def _cause(name: str, error: Any) -> BaseException:
    cause = error.cause
    if isinstance(cause, NotHeld):
        return RoleLost(f"role '{name}' is gone: {cause}")
    if not isinstance(cause, BaseException):
        return ClusterError(f"role '{name}' failed: {error}")
    cause.add_note(f"In role '{name}':\n{_COLOURS.sub('', str(error))}")
    return cause


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

"""Handles of roles that live in Ray actors, calls that wait for them, and Ray's errors as ours."""

from __future__ import annotations

import math
import re
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import ray
from ray import exceptions

from cluster.errors import ClusterError, RoleLost, RoleSilent, first_line
from cluster.ray.host import RoleAbsent
from cluster.ray.pending_calls import PENDING_CALLS
from cluster.runtime import Future, Stream

R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")

_COLOURS = re.compile(r"\x1b\[\d+m")

_SECONDS_BETWEEN_LOOKS = 1.0
"""How often a thread that waits for a role looks whether Ray itself has ended."""

ENDED: dict[str, str] = {}
"""Why Ray has ended, by the name of its session, where that was not in order."""

BUILDING_SECONDS = 300.0
"""How long a process may take to start and build its role."""


@dataclass(frozen=True)
class RayHandle(Generic[R]):
    """A role in a host's process; may be passed to roles in other processes.

    ``session`` names the Ray it belongs to; ``construction`` refers to what the role was started
    with, so each copy can revive it.
    """

    name: str
    serial: int
    session: str
    host: Any
    construction: Any

    def call(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` of the role, after the calls made before it."""
        return _RayFuture(self, self._remote(self.host.call, method.__name__, args, kwargs))

    def control(
        self, method: Callable[Concatenate[R, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Calls ``method`` beside whatever the role is doing."""
        beside = self.host.call.options(concurrency_group="control")
        return _RayFuture(self, self._remote(beside, method.__name__, args, kwargs))

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
        return _RayStream(self, self._remote(bounded, method.__name__, args, kwargs))

    def responds(self, seconds: float) -> bool:
        """Whether the role is there and its process answers within ``seconds``."""
        beside = self.host.ping.options(concurrency_group="health")
        try:
            answer = self._remote(beside)
            with translate_errors(self.name, self.session):
                ray.get(answer, timeout=seconds)
        except (RoleLost, RoleSilent):
            return False
        return True

    def revive(self) -> None:
        """Builds a lost role again; does nothing to a live one."""
        self.build(fresh=False)

    def build(self, *, fresh: bool) -> None:
        """Has the host build the role; waits until its process runs, restarted if need be."""
        answer = self._remote(self.host.build, self.construction, fresh)
        with translate_errors(self.name, self.session):
            _get(self.session, answer, BUILDING_SECONDS)

    def _remote(self, method: Any, *args: Any) -> Any:
        with translate_errors(self.name, self.session):
            return method.remote(self.serial, *args)


def session_name() -> str:
    """The name of the Ray that runs in this process now."""
    return str(ray.get_runtime_context().get_session_name())


def is_running(session: str) -> bool:
    """Whether that Ray runs in this process, as far as is known."""
    return session not in ENDED and ray.is_initialized() and session_name() == session


def _lost_with_ray(name: str, session: str) -> RoleLost:
    reason = ENDED.get(session, "the runtime is closed")
    return RoleLost(f"role '{name}' is gone: {reason}")


def _get(session: str, reference: Any, timeout: float | None) -> Any:
    """What ``reference`` refers to; Ray alone would wait for the answer of a role that has ended
    with it.

    Raises:
        GetTimeoutError: it did not come in time, or Ray has ended.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        try:
            return ray.get(reference, timeout=max(0.0, min(left, _SECONDS_BETWEEN_LOOKS)))
        except exceptions.GetTimeoutError:
            if left <= _SECONDS_BETWEEN_LOOKS or session in ENDED:
                raise


@dataclass(frozen=True)
class _RayFuture(Generic[T]):
    role: RayHandle[Any]
    reference: Any

    def result(self, timeout: float | None = None) -> T:
        with translate_errors(self.role.name, self.role.session):
            answer: T = _get(self.role.session, self.reference, timeout)
        return answer


class _RayStream(Generic[T]):
    """The answers of a role's generator.

    A generator without a reader occupies one of its role's threads for ever; so it is cancelled
    by ``close``, and by the garbage collector where that was forgotten.
    """

    def __init__(self, role: RayHandle[Any], generator: Any) -> None:
        self._role = role
        self._generator = [generator]
        self._release = weakref.finalize(self, _cancel, role.session, self._generator)
        self._release.atexit = False

    def next(self, timeout: float | None = None) -> T:
        if not self._generator:
            raise StopIteration
        generator = self._generator[0]
        with translate_errors(self._role.name, self._role.session):
            if timeout is not None:
                ready, _ = ray.wait([generator], timeout=timeout, fetch_local=False)
                if not ready:
                    raise exceptions.GetTimeoutError(f"none within {timeout:g} s")
            try:
                reference = next(generator)
            except StopIteration:
                self._generator.clear()
                raise
            answer: T = _get(self._role.session, reference, timeout)
        return answer

    def close(self) -> None:
        self._release()


def _cancel(session: str, generator: list[Any]) -> None:
    if generator and is_running(session):
        ray.cancel(generator[0])
    # A cancelled generator looks up once a second; without a reference to it, it ends at once.
    generator.clear()


@contextmanager
def translate_errors(name: str, session: str) -> Iterator[None]:
    """Raises Ray's errors as ours; a role's own as it raised them, with its traceback as a note."""
    with PENDING_CALLS.counted():
        # Ray does not know what belongs to one before it: it raises anything, or waits for ever.
        if not is_running(session):
            raise _lost_with_ray(name, session)
        try:
            with _translate_own_errors(name):
                yield
        except Exception:
            if session in ENDED:
                raise _lost_with_ray(name, session) from None
            raise


@contextmanager
def _translate_own_errors(name: str) -> Iterator[None]:
    try:
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

"""The Ray actor: a process that holds one role at a time."""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import cloudpickle

from cluster.errors import ClusterError

Construction = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]
"""What a role is built from: its class and its arguments."""


class RoleAbsent(Exception):
    """The host does not hold the role that was called; the message says why."""


class HostOccupied(Exception):
    """The host holds a role already."""


class Host:
    """Holds a role, passes calls on to it, and can be given another one later.

    A role is known by its serial number, which only grows; so a handle of a role that is long
    gone cannot reach, or displace, the one that came after it.

    Groups of threads, each a queue of its own, so that none starves another:

    ======== ======= ==================================================================
    group    threads serves
    ======== ======= ==================================================================
    default  1       ``call``: in the order in which they were made
    streams  24      ``stream``: one that waits for its reader occupies its thread
    control  1       ``build``, ``drop``, ``import_modules`` and calls beside the others
    health   1       ``ping``
    ======== ======= ==================================================================

    ``build`` and ``drop`` run on the single thread of ``control``, so they need no lock.
    """

    def __init__(self) -> None:
        self._role: tuple[int, Any] | None = None
        self._next_serial = 0
        self._active = 0
        self._changed = threading.Condition()

    # Also where the process is just being started again.
    @ray.method(max_task_retries=-1)  # type: ignore[untyped-decorator]
    def import_modules(self, modules: Sequence[str]) -> None:
        """Imports what a later role will need."""
        for module in modules:
            importlib.import_module(module)

    # Ray calls it again when the process ends before it has answered.
    @ray.method(max_task_retries=-1, concurrency_group="control")  # type: ignore[untyped-decorator]
    def build(self, serial: int, construction: Construction, fresh: bool) -> None:
        """Builds role ``serial``; does nothing if the host holds it already.

        ``fresh`` is how a runtime starts a role: it refuses a host that holds another one.

        Raises:
            HostOccupied: the host holds a role, and ``fresh`` is set.
            RoleAbsent: the role was retired, or the host has served a later one.
        """
        if self._role is not None and self._role[0] == serial:
            return
        if fresh and self._role is not None:
            raise HostOccupied
        if serial < self._next_serial:
            raise RoleAbsent("it was retired")
        self._role = None
        factory, args, kwargs = construction
        with _picklable_errors():
            self._role = (serial, factory(*args, **kwargs))
        self._next_serial = serial

    def drop(self, serial: int, grace: float) -> bool:
        """Drops role ``serial``; returns whether the host is free within ``grace`` seconds."""
        if self._role is None or self._role[0] == serial:
            self._role = None
            self._next_serial = max(self._next_serial, serial + 1)
        with self._changed:
            free = self._changed.wait_for(lambda: self._active == 0, grace)
        gc.collect()
        return free and self._role is None

    def call(
        self, serial: int, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Answers one call of the role."""
        role = self._get_role(serial)
        with self._count_active(), _picklable_errors():
            return getattr(role, method)(*args, **kwargs)

    def stream(
        self, serial: int, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Yields what a generator of the role yields."""
        role = self._get_role(serial)
        with self._count_active(), _picklable_errors():
            answers = getattr(role, method)(*args, **kwargs)
            try:
                # Not ``yield from``: Ray sends values, which plain iterators do not take.
                for answer in answers:  # noqa: UP028
                    yield answer
            finally:
                if isinstance(answers, Generator):
                    answers.close()

    def ping(self, serial: int) -> None:
        """Answers at once if the host holds the role."""
        self._get_role(serial)

    def _get_role(self, serial: int) -> Any:
        role = self._role
        if role is None or role[0] != serial:
            retired = serial < self._next_serial
            raise RoleAbsent("it was retired" if retired else "its process was restarted")
        return role[1]

    @contextmanager
    def _count_active(self) -> Iterator[None]:
        with self._changed:
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()


@contextmanager
def _picklable_errors() -> Iterator[None]:
    """Lets an error through if it can be pickled; else raises one with its type and message.

    ``SystemExit`` is replaced as well: it would end the process.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if isinstance(error, Exception) and _is_picklable(error):
            raise
        raise ClusterError(f"{type(error).__name__}: {error}") from None


def _is_picklable(error: Exception) -> bool:
    try:
        return type(cloudpickle.loads(cloudpickle.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001 - whatever goes wrong here, it cannot be pickled
        return False

"""What stands in a process of its own and holds one role at a time."""

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


class NotHeld(Exception):
    """The host does not hold the role that was asked for; the message says why."""


class Occupied(Exception):
    """The host holds a role already."""


class Host:
    """Holds a role, lets others call it, and can be given another one later.

    A role is known by its serial number, which only grows; so a handle of a role that is long
    gone cannot reach, or displace, the one that came after it.

    Groups of threads, each a queue of its own, so that none starves another:

    ======== ======= ==================================================================
    group    threads serves
    ======== ======= ==================================================================
    default  1       ``call``: in the order in which they were made
    streams  demand  ``stream``: one that waits for its reader occupies its thread
    control  1       ``become``, ``vacate``, ``prepare`` and questions of health
    tether   1       ``tether``
    ======== ======= ==================================================================

    ``become`` and ``vacate`` run on the single thread of ``control``, so they need no lock.
    """

    def __init__(self) -> None:
        self._held: tuple[int, Any] | None = None
        self._next_serial = 0
        self._active = 0
        self._changed = threading.Condition()

    def prepare(self, modules: Sequence[str]) -> None:
        """Imports what a later role will need."""
        for module in modules:
            importlib.import_module(module)

    # Building is asked for again when the process ends before it has answered.
    @ray.method(max_task_retries=-1, concurrency_group="control")  # type: ignore[untyped-decorator]
    def become(self, serial: int, construction: Construction, fresh: bool) -> None:
        """Builds role ``serial``; does nothing if it is held already.

        ``fresh`` is how a runtime starts a role: it refuses a host that holds another one.

        Raises:
            Occupied: the host holds a role, and ``fresh`` was asked.
            NotHeld: the role was retired, or the host has served a later one.
        """
        if self._held is not None and self._held[0] == serial:
            return
        if fresh and self._held is not None:
            raise Occupied
        if serial < self._next_serial:
            raise NotHeld("it was retired")
        self._held = None
        factory, args, kwargs = construction
        with _portable_errors():
            self._held = (serial, factory(*args, **kwargs))
        self._next_serial = serial

    def vacate(self, serial: int, grace: float) -> bool:
        """Drops role ``serial``; tells whether the host is free within ``grace`` seconds."""
        if self._held is None or self._held[0] == serial:
            self._held = None
            self._next_serial = max(self._next_serial, serial + 1)
        with self._changed:
            free = self._changed.wait_for(lambda: self._active == 0, grace)
        gc.collect()
        return free and self._held is None

    def call(
        self, serial: int, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Answers one call of the role."""
        role = self._role(serial)
        with self._counted(), _portable_errors():
            return getattr(role, method)(*args, **kwargs)

    def stream(
        self, serial: int, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Yields what a generator of the role yields."""
        role = self._role(serial)
        with self._counted(), _portable_errors():
            answers = getattr(role, method)(*args, **kwargs)
            try:
                # Not ``yield from``: Ray sends values, which plain iterators do not take.
                for answer in answers:  # noqa: UP028
                    yield answer
            finally:
                if isinstance(answers, Generator):
                    answers.close()

    def tether(self) -> None:
        """Never answers: whoever waits for it learns when the process has ended."""
        threading.Event().wait()

    def _role(self, serial: int) -> Any:
        held = self._held
        if held is None or held[0] != serial:
            retired = serial < self._next_serial
            raise NotHeld("it was retired" if retired else "its process was started anew")
        return held[1]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()


@contextmanager
def _portable_errors() -> Iterator[None]:
    """Lets an error through if it survives the journey, else tells its type and message.

    ``SystemExit`` is told as well: it would end the process for good.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if isinstance(error, Exception) and _survives(error):
            raise
        raise ClusterError(f"{type(error).__name__}: {error}") from None


def _survives(error: Exception) -> bool:
    try:
        return type(cloudpickle.loads(cloudpickle.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001 - whatever goes wrong here, it does not survive
        return False

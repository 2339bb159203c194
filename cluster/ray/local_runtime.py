"""The runtime of one machine: each role in its own process, reused by the next role."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import psutil
import ray
from ray import exceptions
from ray._private import state

from cluster.errors import ClusterError, RoleLost, RoleSilent
from cluster.ray.handle import RayHandle, is_running, translate_errors
from cluster.ray.host import Host, HostOccupied
from cluster.ray.pending_calls import PENDING_CALLS
from cluster.ray.process_session import PROCESS_SESSION
from cluster.ray.resource_ledger import ResourceLedger
from cluster.runtime import STREAMS_PER_PROCESS, Demand, Handle, Place

R = TypeVar("R")
P = ParamSpec("P")

_GRACE_SECONDS = 5.0
"""How long a retired role's last calls, or a killed process, may take to end."""

_REVIVED_SECONDS = 1.0
"""How long a role that was killed and revived may take to drop; one that was not cannot answer."""


@dataclass(frozen=True)
class _ProcessKind:
    """What cannot change once a process runs, so only roles of one kind share processes."""

    environment: tuple[tuple[str, str], ...]
    gpus: float

    @classmethod
    def of(cls, demand: Demand) -> _ProcessKind:
        return cls(tuple(sorted(demand.environment.items())), demand.gpus)


class LocalRuntime:
    """Starts roles as Ray actors on a one-node Ray of this process, which all its runtimes share.

    ``cpus`` are logical, this runtime's own, and may exceed the machine's cores; the GPUs are the
    machine's. One role after another may live in one process (``Host``). Used from several
    threads.
    """

    parallel = True

    def __init__(self, cpus: float, *, home: Path) -> None:
        self._session = ExitStack()
        self._ray = self._session.enter_context(PROCESS_SESSION.used(home))
        self._ray_session = self._ray.session()
        self._ledger = ResourceLedger(cpus, self._ray.gpus.result())
        self._serials = itertools.count(1)
        self._lock = threading.Lock()
        self._idle: dict[_ProcessKind, list[Any]] = {}
        self._unused: set[Place] = set()
        self._placed: dict[int, tuple[Place, str]] = {}
        self._hosts: list[Any] = []
        self._closed = False

    @property
    def starts(self) -> int:
        """How often Ray was started: what ran on an earlier one is gone."""
        return self._ray.starts

    def reserve(
        self, name: str, demands: Sequence[Demand], stopping: threading.Event | None = None
    ) -> tuple[Place, ...]:
        """Takes all ``demands`` at one moment, once they are free together."""
        places = self._ledger.reserve(name, demands, stopping)
        with self._lock:
            self._unused.update(places)
        return places

    def release(self, place: Place) -> None:
        """Gives a place back in which no role was started; does nothing to any other."""
        with self._lock:
            unused = place in self._unused
            self._unused.discard(place)
        if unused:
            self._ledger.give_back(place)

    def grow(self, cpus: float) -> None:
        """Raises the logical CPUs to ``cpus``, if there are fewer."""
        self._ledger.grow(cpus)

    def start(
        self,
        where: Place | Demand,
        name: str,
        role: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Handle[R]:
        """Builds ``role(*args, **kwargs)`` in its own process; returns once it is built."""
        place = where if isinstance(where, Place) else self.reserve(name, [where])[0]
        with self._lock:
            self._refuse_if_closed()
            if place not in self._unused:
                raise ClusterError(
                    f"role '{name}' cannot start in a place of '{place.name}' that was given back "
                    "or used before; reserve another"
                )
            self._unused.remove(place)
        try:
            handle = self._build(place, name, (role, args, kwargs))
        except BaseException:
            self._ledger.give_back(place)
            raise
        return cast(Handle[R], handle)

    def warm(self, count: int, demand: Demand | None = None, modules: Sequence[str] = ()) -> None:
        """Starts processes until ``count`` are idle for roles like ``demand``."""
        kind = _ProcessKind.of(demand or Demand())
        self._follow_ray()
        with self._lock:
            self._refuse_if_closed()
            idle = self._idle.setdefault(kind, [])
            for _ in range(count - len(idle)):
                host = self._new_host(kind)
                host.import_modules.options(concurrency_group="control").remote(tuple(modules))
                idle.append(host)

    def retire(self, handle: Handle[Any]) -> None:
        """Ends a role in order and keeps its process, unless calls of the role do not end."""
        owned = _own(handle)
        with self._lock:
            place, _ = self._placed.pop(owned.serial, (None, ""))
        running = not self._closed and is_running(owned.session)
        if place is not None:
            free = running and _drop_role(owned, 2 * _GRACE_SECONDS)
            # A process that has used a GPU keeps memory there; only its end gives that back.
            self._put_back(place, owned, keep=free and not place.demand.gpus)
            self._ledger.give_back(place)
        elif running:  # It was killed; a reader may have revived it since.
            _drop_role(owned, _REVIVED_SECONDS)

    def kill(self, handle: Handle[Any]) -> None:
        """Ends a role and its process at once; returns when the process is gone."""
        owned = _own(handle)
        with self._lock:
            self._refuse_if_closed()
            place, module = self._placed.pop(owned.serial, (None, ""))
        running = is_running(owned.session)
        if running:
            _kill_process(owned.host)
        if place is not None:
            if running:
                # Ray starts the process again: to be ready for the next role of this kind.
                owned.host.import_modules.options(concurrency_group="control").remote((module,))
            self._put_back(place, owned, keep=True)
            self._ledger.give_back(place)

    def close(self) -> None:
        """Ends its roles and their processes. May be called twice."""
        with self._lock:
            hosts, self._hosts = self._hosts, []
            self._closed = True
            self._idle.clear()
            self._placed.clear()
            self._unused.clear()
        self._ledger.close()
        if is_running(self._ray_session):
            # Frees the threads that wait for an answer; once Ray is gone they would wait for ever.
            for host in hosts:
                ray.kill(host)
        self._session.close()

    def _build(self, place: Place, name: str, construction: Any) -> RayHandle[Any]:
        serial, session = next(self._serials), self._follow_ray()
        while True:
            with translate_errors(name, session):
                reference = ray.put(construction)
                host = self._take_host(_ProcessKind.of(place.demand))
            handle: RayHandle[Any] = RayHandle(name, serial, session, host, reference)
            try:
                handle.build(fresh=True)
            except HostOccupied:
                # Its role was killed and a reader has revived it; the host is not idle after all.
                continue
            except (RoleLost, RoleSilent):
                self._put_back(place, handle, keep=False)
                raise
            except BaseException:
                self._put_back(place, handle, keep=True)
                raise
            with self._lock:
                self._placed[serial] = place, construction[0].__module__
            return handle

    def _take_host(self, kind: _ProcessKind) -> Any:
        with self._lock:
            self._refuse_if_closed()
            idle = self._idle.get(kind)
            if idle:
                return idle.pop(0)
            if kind.gpus:
                # Idle processes may occupy GPUs for roles of another kind.
                for other in [other for other in self._idle if other.gpus]:
                    for host in self._idle.pop(other):
                        ray.kill(host)
            return self._new_host(kind)

    def _new_host(self, kind: _ProcessKind) -> Any:
        actor = ray.remote(
            # The ledger counts CPUs, so that a process may serve roles of different demands.
            num_cpus=0,
            num_gpus=kind.gpus,
            max_restarts=-1,
            max_task_retries=0,
            concurrency_groups={"streams": STREAMS_PER_PROCESS, "control": 1, "health": 1},
            runtime_env={"env_vars": dict(kind.environment)} if kind.environment else None,
        )(Host)
        host = actor.remote()
        self._hosts.append(host)
        return host

    def _put_back(self, place: Place, handle: RayHandle[Any], *, keep: bool) -> None:
        with self._lock:
            if self._closed or not is_running(handle.session):
                return
            if keep:
                self._idle.setdefault(_ProcessKind.of(place.demand), []).append(handle.host)
            else:
                ray.kill(handle.host)

    def _follow_ray(self) -> str:
        """The name of the Ray that runs now; forgets the processes of one before it."""
        session = self._ray.session()
        with self._lock:
            self._refuse_if_closed()
            if session != self._ray_session:
                self._ray_session = session
                self._idle.clear()
                self._hosts.clear()
        return session

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ClusterError("the runtime is closed; open another one")


def _drop_role(handle: RayHandle[Any], seconds: float) -> bool:
    """Whether the role's process is free within ``seconds``."""
    beside = handle.host.drop.options(concurrency_group="control")
    try:
        with PENDING_CALLS.counted():
            return bool(ray.get(beside.remote(handle.serial, _GRACE_SECONDS), timeout=seconds))
    except exceptions.RayError:
        return False


def _kill_process(host: Any) -> None:
    """Ends the process of ``host``, which Ray then starts again; returns when it is gone.

    By its id: Ray's own kill leaves a process that is stopped for six seconds.
    """
    actor = state.actors(host._actor_id.hex())
    if actor["State"] != "ALIVE":  # Its process has ended already.
        return
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(actor["Pid"])
        process.kill()
        psutil.wait_procs([process], timeout=_GRACE_SECONDS)


def _own(handle: Handle[Any]) -> RayHandle[Any]:
    if not isinstance(handle, RayHandle):
        raise ClusterError(f"{handle!r} was not started by this runtime; give one that was")
    return handle

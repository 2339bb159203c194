"""The runtime of one machine: each role in its own process, reused by the next role."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import ray
from ray import exceptions

from cluster.errors import ClusterError, RoleLost, RoleSilent
from cluster.ray.handle import PENDING_CALLS, RayHandle
from cluster.ray.host import Host, HostOccupied
from cluster.ray.resource_ledger import ResourceLedger
from cluster.ray.session import ray_session
from cluster.runtime import Demand, Handle

R = TypeVar("R")
P = ParamSpec("P")

_GRACE_SECONDS = 5.0
"""How long a retired role's last calls, or a killed process, may take to end."""


@dataclass(frozen=True)
class _ProcessKind:
    """What cannot change once a process runs, so only roles of one kind share processes."""

    environment: tuple[tuple[str, str], ...]
    streams: int
    gpus: float

    @classmethod
    def of(cls, demand: Demand) -> _ProcessKind:
        return cls(tuple(sorted(demand.environment.items())), demand.streams, demand.gpus)


class LocalRuntime:
    """Starts roles as Ray actors on a one-node Ray, which it starts and ends itself.

    ``cpus`` are logical and may exceed the machine's cores. One role after another may live in
    one process (``Host``). Used from several threads.
    """

    parallel = True

    def __init__(
        self,
        cpus: int,
        gpus: int = 0,
        *,
        home: Path,
        timeout: float = 600.0,
    ) -> None:
        self._session = ExitStack()
        self._session.enter_context(ray_session(cpus, gpus, home))
        self._ledger = ResourceLedger(cpus, gpus, timeout=timeout)
        self._serials = itertools.count(1)
        self._lock = threading.Lock()
        self._idle: dict[_ProcessKind, list[Any]] = {}
        self._placed: dict[int, _ProcessKind] = {}
        self._hosts: list[Any] = []
        self._closed = False

    def start(
        self,
        demand: Demand,
        name: str,
        role: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Handle[R]:
        """Builds ``role(*args, **kwargs)`` in its own process; returns once it is built."""
        serial = next(self._serials)
        self._ledger.take(serial, name, demand)
        try:
            handle = self._place(_ProcessKind.of(demand), serial, name, (role, args, kwargs))
        except BaseException:
            self._ledger.give_back(serial)
            raise
        return cast(Handle[R], handle)

    def warm(self, count: int, demand: Demand | None = None, modules: Sequence[str] = ()) -> None:
        """Starts processes until ``count`` are idle for roles like ``demand``."""
        kind = _ProcessKind.of(demand or Demand())
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
            kind = self._placed.pop(owned.serial, None)
        if kind is None and self._closed:
            return
        free = _drop_role(owned)
        if kind is not None:
            # A process that has used a GPU keeps memory there; only its end gives that back.
            self._put_back(kind, owned.host, keep=free and not kind.gpus)
            self._ledger.give_back(owned.serial)

    def kill(self, handle: Handle[Any]) -> None:
        """Ends a role and its process at once; returns when the process is gone."""
        owned = _own(handle)
        with self._lock:
            self._refuse_if_closed()
            kind = self._placed.pop(owned.serial, None)
        exited = owned.host.wait_for_exit.options(concurrency_group="exit").remote()
        ray.kill(owned.host, no_restart=False)
        ray.wait([exited], timeout=_GRACE_SECONDS)
        if kind is not None:
            self._put_back(kind, owned.host, keep=True)
            self._ledger.give_back(owned.serial)

    def close(self) -> None:
        """Ends every role and every process. May be called twice."""
        with self._lock:
            hosts, self._hosts = self._hosts, []
            self._closed = True
            self._idle.clear()
            self._placed.clear()
        self._ledger.close()
        if hosts and ray.is_initialized():
            # Frees the threads that wait for an answer; once Ray is gone they would wait for ever.
            for host in hosts:
                ray.kill(host)
            PENDING_CALLS.wait_until_none(_GRACE_SECONDS)
        self._session.close()

    def _place(
        self, kind: _ProcessKind, serial: int, name: str, construction: Any
    ) -> RayHandle[Any]:
        reference = ray.put(construction)
        while True:
            host = self._take_host(kind)
            handle: RayHandle[Any] = RayHandle(name, serial, host, reference)
            try:
                handle.build(fresh=True)
            except HostOccupied:
                # Its role was killed and a reader has revived it; the host is not idle after all.
                continue
            except (RoleLost, RoleSilent):
                self._put_back(kind, host, keep=False)
                raise
            except BaseException:
                self._put_back(kind, host, keep=True)
                raise
            with self._lock:
                self._placed[serial] = kind
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
            concurrency_groups={"streams": kind.streams, "control": 1, "exit": 1},
            runtime_env={"env_vars": dict(kind.environment)} if kind.environment else None,
        )(Host)
        host = actor.remote()
        self._hosts.append(host)
        return host

    def _put_back(self, kind: _ProcessKind, host: Any, *, keep: bool) -> None:
        with self._lock:
            if self._closed:
                return
            if keep:
                self._idle.setdefault(kind, []).append(host)
            else:
                ray.kill(host)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ClusterError("the runtime is closed; open another one")


def _drop_role(handle: RayHandle[Any]) -> bool:
    beside = handle.host.drop.options(concurrency_group="control")
    try:
        free = ray.get(beside.remote(handle.serial, _GRACE_SECONDS), timeout=2 * _GRACE_SECONDS)
        return bool(free)
    except exceptions.RayError:
        return False


def _own(handle: Handle[Any]) -> RayHandle[Any]:
    if not isinstance(handle, RayHandle):
        raise ClusterError(f"{handle!r} was not started by this runtime; give one that was")
    return handle

"""Counts the logical CPUs and GPUs of one machine: which role has how many, which must wait."""

from __future__ import annotations

import threading

from cluster.errors import CannotPlace, ClusterError
from cluster.runtime import Demand

_ROUNDING = 1e-9


class ResourceLedger:
    """The CPUs and GPUs of a machine, given to roles and taken back.

    Waiting: ``take`` waits for another thread's ``give_back``, at most ``timeout`` seconds;
    ``close`` frees it.
    """

    def __init__(self, cpus: float, gpus: float, *, timeout: float) -> None:
        self._cpus = cpus
        self._gpus = gpus
        self._timeout = timeout
        self._taken: dict[int, tuple[str, Demand]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def take(self, serial: int, name: str, demand: Demand) -> None:
        """Gives role ``serial`` what it demands.

        Raises:
            CannotPlace: more is demanded than there is, or than came free in time.
            ClusterError: the ledger is closed.
        """
        if demand.cpus > self._cpus + _ROUNDING or demand.gpus > self._gpus + _ROUNDING:
            raise CannotPlace(
                f"role '{name}' demands {_amounts(demand.cpus, demand.gpus)}, but the runtime has "
                f"{_amounts(self._cpus, self._gpus)}; lower its `resources`"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(demand), self._timeout)
            if self._closed:
                raise ClusterError(f"role '{name}' cannot start, for the runtime is closed")
            if not self._fits(demand):
                raise CannotPlace(self._no_room(name, demand))
            self._taken[serial] = (name, demand)

    def give_back(self, serial: int) -> None:
        """Takes back what ``serial`` holds, if it holds anything."""
        with self._changed:
            self._taken.pop(serial, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Frees every waiting thread; nothing is given from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _free(self) -> tuple[float, float]:
        cpus = sum(demand.cpus for _, demand in self._taken.values())
        gpus = sum(demand.gpus for _, demand in self._taken.values())
        return self._cpus - cpus, self._gpus - gpus

    def _fits(self, demand: Demand) -> bool:
        cpus, gpus = self._free()
        return demand.cpus <= cpus + _ROUNDING and demand.gpus <= gpus + _ROUNDING

    def _no_room(self, name: str, demand: Demand) -> str:
        holders = ", ".join(
            f"'{holder}' {_amounts(own.cpus, own.gpus)}" for holder, own in self._taken.values()
        )
        return (
            f"role '{name}' demands {_amounts(demand.cpus, demand.gpus)}, but only "
            f"{_amounts(*self._free())} of {_amounts(self._cpus, self._gpus)} came free within "
            f"{self._timeout:g} s; retire one of those that hold them: {holders}"
        )


def _amounts(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")

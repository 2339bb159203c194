"""Counts the logical CPUs and GPUs of one machine: who holds how many, who must wait."""

from __future__ import annotations

import threading

from cluster.errors import CannotPlace, ClusterError
from cluster.runtime import Demand

_ROUNDING = 1e-9


class Ledger:
    """The CPUs and GPUs of a machine, given to roles and taken back.

    Waiting: ``take`` waits for another thread's ``give_back``, at most ``patience`` seconds;
    ``close`` frees it.
    """

    def __init__(self, cpus: float, gpus: float, *, patience: float) -> None:
        self._cpus = cpus
        self._gpus = gpus
        self._patience = patience
        self._held: dict[int, tuple[str, Demand]] = {}
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
                f"role '{name}' demands {_spell(demand.cpus, demand.gpus)}, but the runtime has "
                f"{_spell(self._cpus, self._gpus)}; lower its `resources`"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(demand), self._patience)
            if self._closed:
                raise ClusterError(f"role '{name}' cannot start, for the runtime is closed")
            if not self._fits(demand):
                raise CannotPlace(self._occupied(name, demand))
            self._held[serial] = (name, demand)

    def give_back(self, serial: int) -> None:
        """Takes back what ``serial`` holds, if it holds anything."""
        with self._changed:
            self._held.pop(serial, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Frees everyone who waits; nothing is given from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _free(self) -> tuple[float, float]:
        cpus = sum(demand.cpus for _, demand in self._held.values())
        gpus = sum(demand.gpus for _, demand in self._held.values())
        return self._cpus - cpus, self._gpus - gpus

    def _fits(self, demand: Demand) -> bool:
        cpus, gpus = self._free()
        return demand.cpus <= cpus + _ROUNDING and demand.gpus <= gpus + _ROUNDING

    def _occupied(self, name: str, demand: Demand) -> str:
        holders = ", ".join(
            f"'{holder}' {_spell(held.cpus, held.gpus)}" for holder, held in self._held.values()
        )
        return (
            f"role '{name}' demands {_spell(demand.cpus, demand.gpus)}, but only "
            f"{_spell(*self._free())} of {_spell(self._cpus, self._gpus)} came free within "
            f"{self._patience:g} s; retire one of those that hold them: {holders}"
        )


def _spell(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")

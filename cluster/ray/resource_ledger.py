"""Counts the logical CPUs and GPUs of one machine: which place has how many, who must wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cluster.errors import CannotPlace, ClusterError
from cluster.runtime import Demand, Place

_ROUNDING = 1e-9
_SECONDS_BETWEEN_LOOKS = 0.2
"""How often a waiting thread looks whether its run is stopping."""


class GpuPool:
    """The GPUs of the machine: the ledgers of all runtimes of a process take from them."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.taken = 0.0
        self.changed = threading.Condition()


class ResourceLedger:
    """The logical CPUs of one runtime and the machine's GPUs, given to places and taken back.

    Waiting: ``reserve`` waits for other threads' ``give_back``, in order of arrival; ``close`` and
    its ``stopping`` free it.
    """

    def __init__(self, cpus: float, gpus: GpuPool) -> None:
        self._cpus = cpus
        self._gpus = gpus
        self._places: set[Place] = set()
        self._queue: list[object] = []
        self._changed = gpus.changed
        self._closed = False

    def reserve(
        self, name: str, demands: Sequence[Demand], stopping: threading.Event | None = None
    ) -> tuple[Place, ...]:
        """Takes all ``demands`` at one moment; see ``cluster.runtime.Runtime.reserve``."""
        cpus = sum(demand.cpus for demand in demands)
        gpus = sum(demand.gpus for demand in demands)
        turn = object()
        with self._changed:
            self._refuse_more_than_all(name, cpus, gpus)
            self._queue.append(turn)
            try:
                self._changed.notify_all()
                while not self._closed and (self._queue[0] is not turn or self._lacks(cpus, gpus)):
                    if stopping is not None and stopping.is_set():
                        raise KeyboardInterrupt
                    self._changed.wait(None if stopping is None else _SECONDS_BETWEEN_LOOKS)
                if self._closed:
                    raise ClusterError(f"'{name}' cannot start, for the runtime is closed")
                places = tuple(Place(name, demand) for demand in demands)
                self._places.update(places)
                self._gpus.taken += gpus
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()
        return places

    def give_back(self, place: Place) -> None:
        """Takes back what ``place`` holds; does nothing to one that was given back."""
        with self._changed:
            self._drop(place)
            self._changed.notify_all()

    def grow(self, cpus: float) -> None:
        """Raises the CPUs to ``cpus``, if there are fewer."""
        with self._changed:
            self._cpus = max(self._cpus, cpus)
            self._changed.notify_all()

    def close(self) -> None:
        """Frees every waiting thread and all that is held; nothing is given from now on."""
        with self._changed:
            self._closed = True
            for place in tuple(self._places):
                self._drop(place)
            self._changed.notify_all()

    def _drop(self, place: Place) -> None:
        if place in self._places:
            self._places.remove(place)
            self._gpus.taken -= place.demand.gpus

    def _lacks(self, cpus: float, gpus: float) -> bool:
        free = self._cpus - sum(place.demand.cpus for place in self._places)
        return cpus > free + _ROUNDING or gpus > self._gpus.total - self._gpus.taken + _ROUNDING

    def _refuse_more_than_all(self, name: str, cpus: float, gpus: float) -> None:
        if cpus > self._cpus + _ROUNDING or gpus > self._gpus.total + _ROUNDING:
            raise CannotPlace(
                f"'{name}' demands {_amounts(cpus, gpus, gpus > 0)}, but the runtime has "
                f"{_amounts(self._cpus, self._gpus.total, gpus > 0)}; lower its `resources`"
            )


def _amounts(cpus: float, gpus: float, with_gpus: bool) -> str:
    return f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if with_gpus else "")

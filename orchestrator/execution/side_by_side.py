"""Does the same for several things at the same time, where roles can work at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cluster.runtime import Runtime

T = TypeVar("T")
R = TypeVar("R")


def for_each(runtime: Runtime, do: Callable[[T], R], things: Collection[T]) -> list[R]:
    """What ``do`` gives for each of ``things``, in order; all are done before an error is raised.

    Where the roles of ``runtime`` share this process, each in turn on this thread.
    """
    if not runtime.parallel:
        return [do(thing) for thing in things]
    with ThreadPoolExecutor(len(things) or 1) as threads:
        futures = [threads.submit(do, thing) for thing in things]
    return [future.result() for future in futures]

"""The closed table from a cluster's mode to the runtime it means."""

from __future__ import annotations

from pathlib import Path

from cluster.config import ClusterConfig
from cluster.in_process import InProcessRuntime
from cluster.runtime import Runtime


def build_runtime(config: ClusterConfig, *, cpus: int, home: Path) -> Runtime:
    """The runtime that ``cluster.mode`` names, with ``cpus`` logical CPUs.

    Raises:
        ClusterError: Ray does not start, or ``home`` cannot be written.
    """
    if config.mode == "in_process":
        return InProcessRuntime()
    # Ray takes a second to import; a run in one process does without it.
    from cluster.ray.local_runtime import LocalRuntime

    return LocalRuntime(cpus, home=home)

"""Starts a plan's runtime beside other work."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

from cluster.catalog import build_runtime
from cluster.runtime import Runtime
from orchestrator.execution.prewarm import prewarm_ranks
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.planning.thread_allocation import logical_cpus


class RuntimeStart:
    """Starts a plan's runtime on a thread, beside other work, and closes it.

    Waiting: ``runtime`` and ``close`` wait for the start, which Ray itself bounds.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "runtime")
        self._runtime: Future[Runtime] | None = None

    def begin(self, plan: Plan) -> None:
        """Begins to start the runtime of ``plan``; does nothing if it has begun already."""
        if self._runtime is None:
            self._runtime = self._thread.submit(self._start, plan)

    def _start(self, plan: Plan) -> Runtime:
        cores = os.cpu_count() or 1
        cpus, cluster = logical_cpus(plan, cores), plan.recipe.cluster
        runtime = build_runtime(cluster, cpus=cpus, home=self._store.home)
        prewarm_ranks(runtime, plan, self._store, cores)
        return runtime

    def runtime(self, plan: Plan) -> Runtime:
        """The runtime of ``plan``, once it has started.

        Raises:
            ClusterError: it does not start.
        """
        self.begin(plan)
        assert self._runtime is not None
        return self._runtime.result()

    def close(self) -> None:
        """Ends the runtime, if it has started. May be called twice."""
        if self._runtime is not None and self._runtime.exception() is None:
            self._runtime.result().close()
        self._thread.shutdown()

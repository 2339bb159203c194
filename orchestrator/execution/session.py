"""A session: what a process has one of, and the graphs that run on it.

Importing this module imports no torch, so that the runtime can start beside slower imports.

=========================  ==============================  =====================================
who                        waits for                       who frees it
=========================  ==============================  =====================================
``GraphFuture.result``     the graph's thread              its end; ``cancel``; ``close``
a graph's thread           the stages it wants             their ends; ``cancel``; ``close``
``runtime``                Ray's start                     Ray's own bound
``quiet``                  all stages under way            their ends
=========================  ==============================  =====================================
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.catalog import build_runtime
from cluster.config import ClusterConfig
from cluster.runtime import Runtime
from orchestrator.errors import SessionError
from orchestrator.execution.prewarm import prewarm_ranks
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.thread_allocation import logical_cpus, stages_at_once
from students.transfer_sets.config import TransferSetConfig
from students.transfer_sets.planned_data import PlannedData

if TYPE_CHECKING:
    from orchestrator.execution.graph_run import GraphResult
    from orchestrator.execution.stage_works import StageWorks, Watcher
    from orchestrator.execution.teacher_pool import TeacherPool
    from students.transfer_sets.transfer_set import TransferSet


_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_LOOKS = 0.2


class GraphFuture:
    """A graph that was submitted."""

    def __init__(self) -> None:
        self._future: Future[GraphResult] = Future()
        self.cancelled = threading.Event()

    def result(self) -> GraphResult:
        """The results of its stages, once all are done; the same each time it is asked.

        Raises:
            KeyboardInterrupt: it was cancelled, or its session closed.
            Exception: the first one that a stage raised.
        """
        # In short waits: a signal that another thread receives does not end one without a limit.
        while not self._future.done():
            wait([self._future], _SECONDS_BETWEEN_LOOKS)
        return self._future.result()

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._future.done()

    def cancel(self) -> bool:
        """Lets go of its stages: those that no other graph wants stop, and resume from their last
        checkpoint when they are asked for again. False if it had ended already."""
        self.cancelled.set()
        return not self._future.done()


class Session:
    """Runs graphs in one home, on one runtime: two that want the same stage share it, and the
    teachers that are alive.

    Each process has one session for a home: ``open_session`` gives it. May be used from several
    threads.
    """

    def __init__(self, home: Path | str, cluster: ClusterConfig | None = None) -> None:
        self.store = Store(Path(home).absolute())
        self.cluster = cluster or ClusterConfig()
        self.cores = os.cpu_count() or 1
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(1, "runtime")
        self._started: Future[Runtime] | None = None
        self._transfer_sets: dict[tuple[str, str], TransferSet] = {}
        self._pool: TeacherPool | None = None
        self._works: StageWorks | None = None
        self._graphs: dict[GraphFuture, threading.Thread] = {}
        self._closed = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def begin(self, graph: Graph) -> None:
        """Begins to start the runtime, if it has not begun, with the processes for ``graph``; does
        not wait for it."""
        with self._lock:
            self._refuse_if_closed()
            if self._started is None:
                self.store.prepare()
                self._started = self._threads.submit(self._start, graph)

    def runtime(self, graph: Graph) -> Runtime:
        """The runtime, with room for ``graph``, once it has started.

        Raises:
            ClusterError: it does not start.
        """
        self.begin(graph)
        assert self._started is not None
        runtime = self._started.result()
        runtime.grow(logical_cpus(graph.stages, self.cores))
        return runtime

    @property
    def pool(self) -> TeacherPool:
        """The live teachers, on the runtime that has started."""
        assert self._started is not None
        runtime = self._started.result()
        with self._lock:
            if self._pool is None:
                from orchestrator.execution.teacher_pool import TeacherPool

                self._pool = TeacherPool(runtime)
            return self._pool

    @property
    def works(self) -> StageWorks:
        """The stages under way, on the runtime that has started."""
        parallel = self.pool.runtime.parallel
        with self._lock:
            if self._works is None:
                from orchestrator.execution.stage_works import StageWorks

                self._works = StageWorks(self, stages_at_once(self.cores) if parallel else 1)
            return self._works

    def transfer_set(self, data: PlannedData) -> TransferSet:
        """The samples that ``data`` describes, loaded once.

        Raises:
            TransferSetError: they cannot be loaded, or have changed since they were planned.
        """
        key = _key(data.transfer_set, data.identity)
        if key not in self._transfer_sets:
            from students.transfer_sets.catalog import load_planned

            self._transfer_sets[key] = load_planned(replace(data, cache=self.store.cache))
        return self._transfer_sets[key]

    def keep(self, transfer_set: TransferSet) -> None:
        """Keeps samples that were loaded elsewhere, so that they are not loaded again."""
        key = _key(transfer_set.config, transfer_set.identity)
        self._transfer_sets.setdefault(key, transfer_set)

    def submit(self, graph: Graph, watcher: Watcher | None = None) -> GraphFuture:
        """Runs ``graph`` on a thread of its own; ``watcher`` is called with what happens to its
        stages.

        Raises:
            SessionError: the session is closed.
        """
        from orchestrator.execution.graph_run import GraphRun
        from orchestrator.execution.stage_works import Watcher

        future = GraphFuture()

        def work() -> None:
            try:
                result = GraphRun(self, graph, watcher or Watcher(), future.cancelled).run()
            except BaseException as error:  # noqa: BLE001 - its future raises it.
                future._future.set_exception(error)
            else:
                future._future.set_result(result)

        thread = threading.Thread(target=work, name=f"graph {graph.name}", daemon=True)
        with self._lock:
            self._refuse_if_closed()
            self._graphs = {each: by for each, by in self._graphs.items() if not each.done()}
            self._graphs[future] = thread
        thread.start()
        return future

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """While open, no stage of the session works."""
        with self.works.held() if self._started else nullcontext():
            yield

    def close(self) -> None:
        """Cancels what is under way and ends every role. May be called twice."""
        with self._lock:
            self._closed = True
            graphs = dict(self._graphs)
        for future in graphs:
            future.cancel()
        if self._started is not None and self._started.exception() is None:
            # Before their roles are lost, so that no stage takes that for a failure.
            self.works.stop()
            self._started.result().close()
        for thread in graphs.values():
            thread.join(_SECONDS_TO_END)
        self._threads.shutdown()

    def _start(self, graph: Graph) -> Runtime:
        cpus = logical_cpus(graph.stages, self.cores)
        runtime = build_runtime(self.cluster, cpus=cpus, home=self.store.home)
        prewarm_ranks(runtime, graph, self.store, self.cores)
        return runtime

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise SessionError(f"the session in '{self.store.home}' is closed; open another one")


def _key(config: TransferSetConfig, identity: str) -> tuple[str, str]:
    """What two graphs must have in common to share a loaded transfer set: the data, and the
    settings that parts and views depend on."""
    return identity, config.model_dump_json()


_OPEN: dict[Path, tuple[Session, int]] = {}
_OPENING = threading.Lock()


@contextmanager
def open_session(home: Path, cluster: ClusterConfig) -> Iterator[Session]:
    """The session of this process for ``home``: made if none is open, closed by the last to leave.

    Raises:
        SessionError: one is open that runs its roles elsewhere.
    """
    key = home.resolve()
    with _OPENING:
        session, users = _OPEN.get(key) or (Session(home, cluster), 0)
        if session.cluster != cluster:
            raise SessionError(
                f"a session with `cluster.mode` {session.cluster.mode} is open in '{home}', so no "
                f"other can be opened with {cluster.mode}; close it, or take another home"
            )
        _OPEN[key] = session, users + 1
    try:
        yield session
    finally:
        with _OPENING:
            session, users = _OPEN[key]
            if users == 1:
                del _OPEN[key]
            else:
                _OPEN[key] = session, users - 1
        if users == 1:
            session.close()

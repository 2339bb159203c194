"""The Ray of this process: started for its first user, ended after its last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray

from cluster.ray.pending_calls import PENDING_CALLS
from cluster.ray.resource_ledger import GpuPool
from cluster.ray.session import ray_session

_GRACE_SECONDS = 5.0
"""How long threads that wait for an answer may take to learn that its role is gone."""


class ProcessSession:
    """Counts who uses Ray in this process, for there can be only one in it.

    Waiting: the first user waits for the start, which Ray itself bounds, and the last one for the
    end; a runtime that comes during one of them waits for that as well.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._users = 0
        self._thread: _SessionThread | None = None

    @contextmanager
    def used(self, home: Path) -> Iterator[GpuPool]:
        """Keeps Ray running while the context is open; gives the GPUs that it has found.

        ``home`` is where the token lies, if this user is the first.

        Raises:
            ClusterError: Ray does not start, or ``home`` cannot be written.
        """
        thread = self._enter(home)
        try:
            yield thread.gpus.result()
        finally:
            self._leave(thread)

    def _enter(self, home: Path) -> _SessionThread:
        with self._changing:
            if self._users == 0 or self._thread is None:
                if self._thread is not None:
                    self._thread.join()
                self._thread = _SessionThread(home)
                self._thread.start()
            self._users += 1
            return self._thread

    def _leave(self, thread: _SessionThread) -> None:
        with self._changing:
            self._users -= 1
            if self._users == 0:
                thread.unused.set()
                thread.join()


class _SessionThread(threading.Thread):
    """Lives as long as its Ray, whose processes end with the thread that started them."""

    def __init__(self, home: Path) -> None:
        super().__init__(name="ray", daemon=True)
        self.gpus: Future[GpuPool] = Future()
        self.unused = threading.Event()
        self._home = home

    def run(self) -> None:
        with ExitStack() as session:
            try:
                session.enter_context(ray_session(self._home))
                gpus = GpuPool(ray.cluster_resources().get("GPU", 0.0))
            except BaseException as error:  # noqa: BLE001 - raised where the start is waited for
                self.gpus.set_exception(error)
                return
            self.gpus.set_result(gpus)
            self.unused.wait()
            PENDING_CALLS.wait_until_none(_GRACE_SECONDS)


PROCESS_SESSION = ProcessSession()

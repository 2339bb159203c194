"""The Ray of this process: started for its first user, ended after its last."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray

from cluster.errors import ClusterError
from cluster.ray.handle import ENDED
from cluster.ray.own_processes import RaySession
from cluster.ray.pending_calls import PENDING_CALLS
from cluster.ray.resource_ledger import GpuPool
from cluster.ray.session import ray_session

log = logging.getLogger("stillhouse.ray")

_GRACE_SECONDS = 5.0
"""How long threads that wait for an answer may take to learn that its role is gone."""

_SECONDS_BETWEEN_LOOKS = 0.1
"""How often Ray's own processes are looked at."""


class ProcessSession:
    """Counts who uses Ray in this process, for there can be only one in it.

    Waiting: the first user waits for the start, which Ray itself bounds, and the last one for the
    end; a runtime that comes during one of them waits for that as well.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._users = 0
        self._thread: RunningRay | None = None

    @contextmanager
    def used(self, home: Path) -> Iterator[RunningRay]:
        """Keeps Ray running while the context is open.

        ``home`` is where the token lies, if this user is the first.

        Raises:
            ClusterError: Ray does not start, or ``home`` cannot be written.
        """
        thread = self._enter(home)
        try:
            thread.gpus.result()
            yield thread
        finally:
            self._leave(thread)

    def _enter(self, home: Path) -> RunningRay:
        with self._changing:
            if self._users == 0 or self._thread is None:
                if self._thread is not None:
                    self._thread.join()
                self._thread = RunningRay(home)
                self._thread.start()
            self._users += 1
            return self._thread

    def _leave(self, thread: RunningRay) -> None:
        with self._changing:
            self._users -= 1
            if self._users == 0:
                thread.unused.set()
                thread.join()


class RunningRay(threading.Thread):
    """Lives as long as its Ray, whose processes end with the thread that started them. Where one of
    Ray's own ends, all are ended, and another Ray is started.

    ``gpus`` are those that Ray has found; ``starts`` counts how often it was started.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(name="ray", daemon=True)
        self.gpus: Future[GpuPool] = Future()
        self.starts = 0
        self.unused = threading.Event()
        self._home = home
        self._current: Future[RaySession] = Future()

    def session(self) -> str:
        """The name of the Ray that runs now; waits while one is started.

        Raises:
            ClusterError: it does not start.
        """
        while True:
            session = self._current.result()
            if session.lost_process() is None:
                return session.name
            session.ended.wait()  # Until this thread has seen it as well.

    def run(self) -> None:
        """Starts Ray, and again whenever it was lost, until it is unused."""
        try:
            while self._run_once():
                pass
        finally:
            if not self._current.done():
                self._current.set_exception(ClusterError("the runtime is closed; open another one"))

    def _run_once(self) -> bool:
        """Whether Ray was lost."""
        with ExitStack() as stack:
            try:
                session = stack.enter_context(ray_session(self._home))
                if not self.gpus.done():
                    self.gpus.set_result(GpuPool(ray.cluster_resources().get("GPU", 0.0)))
            except BaseException as error:  # noqa: BLE001 - raised where the start is waited for
                if not self.gpus.done():
                    self.gpus.set_exception(error)
                self._current.set_exception(error)
                return False
            self.starts += 1
            self._current.set_result(session)
            lost = None
            while lost is None and not self.unused.wait(_SECONDS_BETWEEN_LOOKS):
                lost = session.lost_process()
            if lost is not None:
                ENDED[session.name] = f"Ray's own process '{lost}' has ended, and all roles with it"
                log.info("%s; Ray is started again", ENDED[session.name])
                session.kill()
            self._current = Future()
            session.ended.set()
            PENDING_CALLS.wait_until_none(_GRACE_SECONDS)
        return lost is not None and not self.unused.is_set()


PROCESS_SESSION = ProcessSession()

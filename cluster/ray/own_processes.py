"""Ray's own processes, which are not roles: how they are started, watched and ended."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import services

_OF_TERMINAL = (signal.SIGHUP, signal.SIGQUIT)
"""What a terminal sends to all processes that it has started: the driver alone ends the others."""


class RaySession:
    """The Ray that runs in this process, whose files are in ``temp``."""

    def __init__(self, temp: Path) -> None:
        self._temp = temp
        self.ended = threading.Event()
        self.name = str(ray.get_runtime_context().get_session_name())
        node = ray._private.worker._global_node
        assert node is not None
        self._own: list[tuple[str, Any]] = [
            (name, each.process) for name, several in node.all_processes.items() for each in several
        ]

    def lost_process(self) -> str | None:
        """The name of one of Ray's own processes that has ended; none while all of them run."""
        return next((name for name, own in self._own if own.poll() is not None), None)

    def kill(self) -> None:
        """Ends all processes at once: without one of Ray's own, the others only wait."""
        # The raylet has started those of the roles, which have no parent any more if it has ended.
        everywhere = [one for one in psutil.process_iter() if _is_role(one, self._temp)]
        end_processes([*everywhere, *processes_of(self._temp)], seconds=0.0)


def popen_in(folder: Path) -> type[Any]:
    """What starts Ray's processes; their working directory, too, is searched for modules."""

    class Popen(services.ConsolePopen):  # type: ignore[misc]
        def __init__(
            self,
            *args: Any,
            cwd: str | None = None,
            preexec_fn: Callable[[], None] = lambda: None,
            **kwargs: Any,
        ) -> None:
            def before() -> None:
                preexec_fn()
                for each in _OF_TERMINAL:
                    signal.signal(each, signal.SIG_IGN)

            super().__init__(*args, cwd=cwd or str(folder), preexec_fn=before, **kwargs)

    return Popen


class LostAtStart(Exception):
    """One of Ray's own processes has ended before this process had connected to it."""


def connect_to_living(connect: Callable[..., Any]) -> Callable[..., Any]:
    """``connect``, which ends this process where Ray's own have ended, after a look at them."""

    def looking(node: Any, *args: Any, **kwargs: Any) -> Any:
        if any(
            each.process.poll() is not None for own in node.all_processes.values() for each in own
        ):
            raise LostAtStart("one of its own processes has ended")
        return connect(node, *args, **kwargs)

    return looking


def end_processes(processes: Sequence[psutil.Process], *, seconds: float) -> None:
    """Kills those that do not end by themselves within ``seconds``."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=3.0)


def processes_of(temp: Path) -> list[psutil.Process]:
    """The processes of the Ray whose files are in ``temp``."""
    return [
        process
        for root in psutil.Process().children()
        if _belongs(root, temp)
        for process in (*root.children(recursive=True), root)
    ]


def _is_role(process: psutil.Process, temp: Path) -> bool:
    try:
        return process.name().startswith("ray::") and Path(process.cwd()).is_relative_to(temp)
    except psutil.Error:
        return False


def _belongs(process: psutil.Process, temp: Path) -> bool:
    try:
        return any(str(temp) in word for word in process.cmdline())
    except psutil.Error:
        return False

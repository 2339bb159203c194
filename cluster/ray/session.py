"""A Ray of our own on this machine: on loopback, behind a token, gone when we close it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import _raylet
from ray._private import ray_constants

from cluster.errors import ClusterError
from cluster.ray.session_folder import session_folders

log = logging.getLogger("stillhouse.ray")

_LOOPBACK = "127.0.0.1"
_ATTEMPTS = 3
_FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_CLIENT_MODE", "RAY_NAMESPACE")
"""Variables that would lead our Ray, or its processes, to somebody else's."""
_SET_BY_RAY = ("PYTHONBREAKPOINT",)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MEMORY_KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
"""Has a role's process keep the memory that it frees, where the C library is GNU's.

A training step takes the same tens of megabytes as the one before it. Given back in between, each
page costs a fault when it comes again: about 5,000 and a twelfth of the step of a small student.
"""


class RaySession:
    """One Ray, started here and stopped by ``close``.

    The token lies in ``home/session/NAME/token`` (0600, locked while its owner lives), all of
    Ray's own files in ``stillhouse-NAME`` in the system's temporary folder. What a killed
    driver left of both is swept when the next session starts.
    """

    def __init__(self, *, cpus: int, gpus: int, home: Path, object_store_bytes: int) -> None:
        if ray.is_initialized():
            raise ClusterError(
                "Ray is running in this process already; close the runtime that started it"
            )
        self._undo = contextlib.ExitStack()
        try:
            self._start(cpus, gpus, home, object_store_bytes)
        except BaseException:
            self._undo.close()
            raise

    def close(self) -> None:
        """Ends all of Ray's processes, removes token and files. May be called twice."""
        self._undo.close()

    def _start(self, cpus: int, gpus: int, home: Path, object_store_bytes: int) -> None:
        token, temp = self._undo.enter_context(session_folders(home))
        self._undo.enter_context(_environment(_variables(token)))
        self._undo.enter_context(_loopback())
        self._undo.enter_context(_printing_nothing())
        self._undo.callback(_stop, temp)
        with _standing_apart(temp / "empty"), _handlers_kept():
            _begin(
                address="local",
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                object_store_memory=object_store_bytes,
                _node_ip_address=_LOOPBACK,
                _temp_dir=str(temp),
                # Processes start when a role, or ``warm``, asks for them.
                _system_config={"enable_worker_prestart": False},
            )


@contextlib.contextmanager
def _printing_nothing() -> Iterator[None]:
    """Sends to our log what Ray would print of a process that died.

    It prints on standard output, which is for what a command was asked for; whoever waits for
    the role is told by ``RoleLost``.
    """
    module = ray._private.worker
    before = module.print_to_stdstream

    def note(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        del ignore_prefix
        for line in data["lines"]:
            log.info("%s", line)

    module.print_to_stdstream = note
    try:
        yield
    finally:
        module.print_to_stdstream = before


def _begin(**settings: Any) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(**settings)
            return
        except Exception as error:
            ray.shutdown()
            # Ray's own bound of 30 s cannot be raised; a loaded machine needs another go.
            if attempt == _ATTEMPTS or "timed out during startup" not in str(error):
                raise ClusterError(f"Ray did not start: {error}") from error


def _stop(temp: Path) -> None:
    """Shuts Ray down; whatever of it has not ended within seconds is killed."""
    left = [
        process
        for root in psutil.Process().children()
        if _belongs(root, temp)
        for process in (*root.children(recursive=True), root)
    ]
    ray.shutdown()
    _, alive = psutil.wait_procs(left, timeout=3.0)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=3.0)


def _belongs(process: psutil.Process, temp: Path) -> bool:
    try:
        return any(str(temp) in word for word in process.cmdline())
    except psutil.Error:
        return False


def _variables(token: Path) -> dict[str, str]:
    return {
        **{name: os.environ.get(name, value) for name, value in _MEMORY_KEPT.items()},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Else a role without GPUs would see all of them.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "PYTHONPATH": os.pathsep.join(_search_path()),
    }


def _search_path() -> list[str]:
    """Where the roles' processes find our packages: absolute, whatever their folder is."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [part for part in given if part and Path(part).is_absolute()]
    root = str(Path(__file__).resolve().parents[2])
    installed = root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return absolute if installed or root in absolute else [root, *absolute]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (*variables, *_FOREIGN, *_SET_BY_RAY)}
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(variables)
    _read_again()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_again()


def _read_again() -> None:
    """Ray has read these variables when it was imported, and keeps the token it used last."""
    _raylet.Config.initialize("")  # type: ignore[attr-defined]
    _raylet.AuthenticationTokenLoader.instance().reset_cache()  # type: ignore[attr-defined]


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Ray reads its variable when it is imported, and then replaces 127.0.0.1 by this
    machine's outer address, on which every port would listen."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _standing_apart(folder: Path) -> Iterator[None]:
    """Ray gives its processes the driver's working directory and its script's folder to import
    from; a user's ``cluster.py`` there would replace ours. So both are an empty folder."""
    folder.mkdir()
    script = sys.argv[:1]
    sys.argv[:1] = [str(folder / "driver")]
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.argv[:1] = script


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """``ray.init`` replaces the handler of SIGTERM; ours come back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)

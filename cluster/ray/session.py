"""A Ray of our own on this machine: on loopback, behind a token, ended by ``close``."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import _raylet
from ray._private import auto_init_hook, ray_constants, services
from ray._private.node import Node
from ray.job_config import JobConfig

from cluster.errors import ClusterError, first_line
from cluster.own_packages import ROOT, write_search_folder
from cluster.ray.own_processes import (
    LostAtStart,
    RaySession,
    connect_to_living,
    end_processes,
    popen_in,
    processes_of,
)
from cluster.ray.session_folder import RAY_FOLDER, session_folders

log = logging.getLogger("stillhouse.ray")

_ATTEMPTS = 3
_OF_A_BAD_START = ("timed out during startup", "Failed to connect to GCS")
"""What Ray says where the machine is loaded, or one of its own processes has ended meanwhile."""
_STARTING_AT_ONCE = 16
"""How many processes Ray starts at one time: its number of CPUs, by which nothing is placed."""
_FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_CLIENT_MODE", "RAY_NAMESPACE")
"""Variables that would lead our Ray, or its processes, to somebody else's."""
_SET_BY_RAY = ("PYTHONBREAKPOINT",)
_NOT_STARTED = ("start_monitor", "start_log_monitor", "start_api_server")
"""Of Ray's own processes those that one node without a dashboard does without: the autoscaler, what
copies logs to the driver, and usage statistics. Together they take two seconds of a core."""
_KEEP_FREED_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
"""A role's process keeps the memory that it frees, where the C library is GNU's.

A training step takes the same tens of megabytes as the one before it. Given back in between, each
page costs a fault when it is taken again: about 5,000 and a twelfth of a small student's step.
"""


@contextlib.contextmanager
def ray_session(home: Path) -> Iterator[RaySession]:
    """One Ray, started here and stopped on leaving.

    The token lies in ``home/session/NAME/token`` (0600, locked while its owner lives), all of
    Ray's own files in ``stillhouse-NAME`` in the system's temporary folder. Both are removed on
    leaving; what a killed driver left of them, by the start of the next session. Entered on a
    thread that lives until the end (Ray's processes end with the thread that started them) and is
    not the main one: the working directory and ``sys.argv`` of this process stay as they are.
    """
    if ray.is_initialized():
        raise ClusterError(
            "Ray is running in this process already and is not ours; call `ray.shutdown()` first"
        )
    # Any call on a Ray that was shut down would start another one, which prints warnings and
    # looks for the Ray of some other run. A call that comes too late is an error instead.
    auto_init_hook.enable_auto_connect = False
    with contextlib.ExitStack() as undo:
        token, temp = undo.enter_context(session_folders(home))
        packages = temp / "packages"
        write_search_folder(packages)
        undo.enter_context(_environment(_variables(token, packages)))
        # Ray prints on standard output what its own process has printed before it died; that
        # is for what a command was asked for. Waiting for a lost role raises ``RoleLost``.
        undo.enter_context(_replaced(ray._private.worker, "print_to_stdstream", _log_lines))
        # Set from its variable when Ray is imported; on, it replaces 127.0.0.1 by this machine's
        # outer address, on which every port would listen.
        undo.enter_context(_replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        undo.callback(_stop, temp)
        empty = temp / "empty"
        empty.mkdir()
        with contextlib.ExitStack() as starting:
            starting.enter_context(_replaced(services, "ConsolePopen", popen_in(empty)))
            for name in _NOT_STARTED:
                starting.enter_context(_replaced(Node, name, lambda *given, **named: None))
            starting.enter_context(_signal_handler_kept())
            connect = ray._private.worker.connect
            starting.enter_context(
                _replaced(ray._private.worker, "connect", connect_to_living(connect))
            )
            _init_ray(temp / RAY_FOLDER)
        yield RaySession(temp)


class _JobWithoutFolders(JobConfig):  # type: ignore[misc]
    """Keeps the driver's working directory and its script's folder out of the search path of the
    roles' processes: a user's ``cluster.py`` there would replace ours."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _log_lines(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    del ignore_prefix
    for line in data["lines"]:
        log.info("%s", line)


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _init_ray(temp: Path) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(
                address="local",
                num_cpus=max(_STARTING_AT_ONCE, os.cpu_count() or 1),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                object_store_memory=256 * 2**20,
                job_config=_JobWithoutFolders(),
                _node_ip_address="127.0.0.1",
                _temp_dir=str(temp),
                # Processes start when a role, or ``warm``, asks for them.
                _system_config={
                    "enable_worker_prestart": False,
                    "prestart_worker_first_driver": False,
                },
            )
            return
        except Exception as error:
            ray.shutdown()
            # Ray's own bound of 30 s cannot be raised; a loaded machine needs another attempt.
            again = isinstance(error, LostAtStart) or any(w in str(error) for w in _OF_A_BAD_START)
            if attempt == _ATTEMPTS or not again:
                raise ClusterError(
                    f"Ray did not start: {first_line(error)}; see that the system's temporary "
                    "folder has room, and run again, or set `cluster.mode` to in_process, "
                    "which needs no Ray"
                ) from error


def _stop(temp: Path) -> None:
    """Shuts Ray down; whatever of it has not ended within seconds is killed."""
    left = processes_of(temp)
    ray.shutdown()
    end_processes(left, seconds=3.0)


def _variables(token: Path, packages: Path) -> dict[str, str]:
    return {
        **{name: os.environ.get(name, value) for name, value in _KEEP_FREED_MEMORY.items()},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Else a role without GPUs would see all of them.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "PYTHONPATH": os.pathsep.join(_search_path(packages)),
    }


def _search_path(packages: Path) -> list[str]:
    """Where the roles' processes look for modules: absolute, whatever their folder is; for ours,
    first in ``packages``."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [part for part in given if part and Path(part).is_absolute()]
    installed = str(ROOT) in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return [str(packages), *absolute, *([] if installed else [str(ROOT)])]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (*variables, *_FOREIGN, *_SET_BY_RAY)}
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(variables)
    _reread_environment()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _reread_environment()


def _reread_environment() -> None:
    """Ray has read these variables when it was imported, and keeps the token it used last."""
    _raylet.Config.initialize("")  # type: ignore[attr-defined]
    _raylet.AuthenticationTokenLoader.instance().reset_cache()  # type: ignore[attr-defined]


@contextlib.contextmanager
def _signal_handler_kept() -> Iterator[None]:
    """Puts back the process's handler of SIGTERM, which ``ray.init`` replaces by one that prints a
    trace and ends it. Python sets handlers on its main thread alone; the C library does on any."""
    library = ctypes.CDLL(None)
    action = ctypes.create_string_buffer(512)  # struct sigaction has 152 bytes on Linux
    library.sigaction(int(signal.SIGTERM), None, action)
    try:
        yield
    finally:
        library.sigaction(int(signal.SIGTERM), action, None)

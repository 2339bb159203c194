"""How a driver of its own process ends: in order, or by force."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.ray.session_folder import remove_stale_sessions

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def driver(
    home: Path, folder: Path, where: str = "main"
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A driver whose working directory is ``folder``, once its runtime is open, and what it prints
    then; ``where``: on its main thread, or two on ``threads``, of which one is closed."""
    environment = dict(os.environ, PYTHONPATH=f"{folder}:{ROOT}", RAY_ADDRESS="203.0.113.1:6379")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        environment.pop(name, None)
    script = folder / "scripts" / "start.py"
    script.parent.mkdir()
    script.write_text(
        "import stillhouse, sys\nfrom pathlib import Path\nfrom tests.cluster.driver import main\n"
        "main(Path(sys.argv[1]), sys.argv[2])\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(home), where],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("where", ["main", pytest.param("threads", marks=pytest.mark.slow)])
def test_a_terminated_driver_calls_our_handler_and_leaves_nothing(
    tmp_path: Path, where: str
) -> None:
    home, folder = tmp_path / "home", tmp_path / "user"
    folder.mkdir()
    (folder / "cluster.py").write_text("raise SystemExit('the user has a cluster.py, too')\n")
    with driver(home, folder, where) as (process, seen):
        assert seen["folder"] == str(folder), "the driver keeps its working directory"
        role = seen["role"]
        assert role["packages"] == str(ROOT / "cluster")
        assert not {str(folder / "scripts"), ""} & set(role["search"])
        ours = str(temp(seen["session"][0]) / "packages")
        assert role["search"].index(ours) < role["search"].index(str(folder))
        assert role["folder"] != str(folder)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert process.stdout is not None
        last = json.loads(process.stdout.readline())
        assert time.monotonic() - begun < 8
        assert process.wait(timeout=5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "", "neither Ray's processes nor late calls print warnings"
    assert last["late call"] == "RaySystemError"
    assert last["ended"] == "SIGTERM"
    assert last["left"] == []
    assert last["changed"] == []
    assert not of_session(seen["session"][0])
    assert list((home / "session").iterdir()) == []
    assert not temp(seen["session"][0]).exists()


def test_a_killed_driver_takes_its_roles_along_and_the_next_session_removes_its_folders(
    tmp_path: Path,
) -> None:
    home, folder = tmp_path / "home", tmp_path / "user"
    folder.mkdir()
    with driver(home, folder) as (process, seen):
        name = seen["session"][0]
        remove_stale_sessions(home / "session")
        assert temp(name).exists(), "the folders of a living session stay"
        assert psutil.pid_exists(seen["role"]["pid"])
        assert len(of_session(name)) >= 3
        os.killpg(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(of_session(name), timeout=8)
    assert alive == []
    assert not psutil.pid_exists(seen["role"]["pid"])
    remove_stale_sessions(home / "session")
    assert list((home / "session").iterdir()) == []
    assert not temp(name).exists()


def temp(session: str) -> Path:
    return Path(tempfile.gettempdir(), f"stillhouse-{session}")


def of_session(session: str) -> list[psutil.Process]:
    """The processes that name the session's folder, in their command or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(session in word for word in words):
            found.append(process)
    return found

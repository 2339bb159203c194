"""The folders of a home, and which process may work on a stage."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from orchestrator.errors import RecipeProblems
from orchestrator.home.store import Store
from orchestrator.planning.thread_allocation import Resolved
from students.json_records import read_json
from tests.running import ROOT

DIGEST = "d" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "home")
    made.prepare()
    return made


def test_a_home_is_made_with_its_folders_and_again_without_harm(store: Store) -> None:
    (store.folder(DIGEST)).mkdir()
    store.prepare()
    assert {path.name for path in store.home.iterdir()} == {"stages", "runs", "cache"}
    assert [stage.digest for stage in store.stages()] == [DIGEST]


def test_a_home_below_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecipeProblems) as caught:
        Store(tmp_path / "file" / "home").prepare()
    [problem] = caught.value.problems
    assert "cannot be written (Not a directory); make it writable, or give" in problem.message


def test_a_home_that_is_not_there_has_no_stages(tmp_path: Path) -> None:
    assert Store(tmp_path / "absent").stages() == []


TWO: Resolved = {"student": 2, "teachers": {}}
EIGHT: Resolved = {"student": 8, "teachers": {"wide": 1}}


def test_what_was_resolved_at_first_is_kept(store: Store) -> None:
    first = store.begin(DIGEST, {"kind": "teach"}, TWO)
    assert first == TWO
    assert store.begin(DIGEST, {"kind": "teach"}, EIGHT) == TWO
    assert read_json(store.folder(DIGEST) / "request.json") == {"kind": "teach"}


def test_what_was_resolved_and_is_damaged_is_resolved_again_without_the_checkpoints_made_with_it(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.begin(DIGEST, {"kind": "teach"}, TWO)
    (store.folder(DIGEST) / "checkpoints" / "step-000010").mkdir(parents=True)
    file = store.folder(DIGEST) / "resolved.json"
    file.write_text(file.read_text().replace('"student": 2', '"student": 3'))
    assert store.resolved(DIGEST) is None
    assert "resolved.json` is damaged (it does not match its checksum)" in caplog.text
    assert store.begin(DIGEST, {"kind": "teach"}, EIGHT) == EIGHT
    assert not (store.folder(DIGEST) / "checkpoints").exists()


def test_a_request_of_which_nothing_was_resolved_is_started_again(store: Store) -> None:
    # Killed between the two files.
    store.folder(DIGEST).mkdir()
    (store.folder(DIGEST) / "request.json").write_text("{}")
    assert store.begin(DIGEST, {"kind": "teach"}, TWO) == TWO


def fail_on_wait() -> None:
    raise AssertionError("no other process has the stage")


def test_a_free_stage_is_locked_at_once_and_released(store: Store) -> None:
    for _ in range(2):
        with store.lock(DIGEST, fail_on_wait, threading.Event()):
            other = FileLock(store.home / "stages" / f"{DIGEST}.lock", thread_local=False)
            with pytest.raises(TimeoutError):
                other.acquire(timeout=0)


def test_a_process_that_waits_for_a_stage_reports_it_once_and_gets_it(store: Store) -> None:
    waits: list[str] = []
    locked, release = threading.Event(), threading.Event()

    def other() -> None:
        with store.lock(DIGEST, fail_on_wait, threading.Event()):
            locked.set()
            assert release.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert locked.wait(10)
    threading.Timer(0.7, release.set).start()
    with store.lock(DIGEST, lambda: waits.append("waits"), threading.Event()):
        assert release.is_set()
    thread.join()
    assert waits == ["waits"]


def test_a_run_that_is_broken_off_waits_no_longer(store: Store) -> None:
    stopping = threading.Event()
    with (
        store.lock(DIGEST, fail_on_wait, threading.Event()),
        pytest.raises(KeyboardInterrupt),
        store.lock(DIGEST, stopping.set, stopping),
    ):
        raise AssertionError("locked twice")


def test_a_killed_process_holds_nothing(store: Store) -> None:
    code = f"""
import os, signal, threading
from pathlib import Path
from orchestrator.home.store import Store
with Store(Path({str(store.home)!r})).lock({DIGEST!r}, lambda: None, threading.Event()):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert ran.returncode == -9
    with store.lock(DIGEST, fail_on_wait, threading.Event()):
        pass

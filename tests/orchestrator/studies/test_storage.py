"""A study in PostgreSQL, or in a storage that cannot be used; its password is found nowhere."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import psutil
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from search.errors import StudyError
from search.study import close_storage, open_storage
from tests.orchestrator.studies import tiny
from tests.running import Command

PASSWORD = "open-sesame-4711"


def _tool(name: str) -> str | None:
    """A program of PostgreSQL, which Debian keeps off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of a server of our own, with its password."""
    initdb, postgres = _tool("initdb"), _tool("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    # PostgreSQL refuses to run as root.
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if owner is not None:
            shutil.chown(folder, owner)
            shutil.chown(password, owner)
        data = str(folder / "data")
        subprocess.run(
            [initdb, "-D", data, "-U", "study", "-A", "scram-sha-256", f"--pwfile={password}"],
            check=True, capture_output=True, user=owner, cwd=folder,
        )  # fmt: skip
        password.unlink()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
        with subprocess.Popen(
            [postgres, "-D", data, *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=owner, cwd=folder,
        ) as server:  # fmt: skip
            url = f"postgresql://study:{PASSWORD}@127.0.0.1:{port}/postgres"
            try:
                _wait_for(url)
                yield url
            finally:
                server.send_signal(signal.SIGINT)  # At once, whoever is connected.
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    for _ in range(100):
        try:
            close_storage(open_storage(url))
        except StudyError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("PostgreSQL did not start")


def _found_in(home: Path) -> list[Path]:
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_study_in_postgresql_is_the_same_and_its_password_is_found_nowhere(
    tmp_path: Path, postgresql: str
) -> None:
    here = tmp_path / "here"
    tiny.run(here, tiny.recipe(trials=4))
    tiny.written(tmp_path, tiny.recipe(trials=4, storage="${env:STUDY_URL}"))
    arguments = ("--home", str(tmp_path / "home"), "search", "recipe.yaml", "--json")
    lines: list[str] = []
    with Command(*arguments, folder=tmp_path, STUDY_URL=postgresql) as command:
        while command.process.poll() is None:
            lines += [str(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"])]
            time.sleep(0.5)
        assert command.ends(1) == 0, command.said()
        assert PASSWORD not in command.said()
    assert not [line for line in lines if PASSWORD in line]
    assert _found_in(tmp_path / "home") == []
    assert not (tmp_path / "home" / "study.db").exists()
    storage = open_storage(postgresql)
    study = optuna.load_study(study_name=tiny.NAME, storage=storage)
    kept = [(t.number, t.params, t.values, t.state.name) for t in study.get_trials()]
    assert kept == tiny.history(here)
    assert PASSWORD not in str(study.user_attrs)
    close_storage(storage)


@pytest.mark.parametrize("given", ["written", "environment"])
def test_a_storage_that_cannot_be_reached_is_one_sentence_without_its_password(
    tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://study:{PASSWORD}@127.0.0.1:1/none"
    monkeypatch.setenv("STUDY_URL", url)
    storage = url if given == "written" else "${env:STUDY_URL}"
    recipe = str(tiny.written(tmp_path, tiny.recipe(storage=storage)))
    home = tmp_path / "home"
    for more in ((), ("--json",)):
        result = CliRunner().invoke(main, ["--home", str(home), "search", recipe, *more])
        assert result.exit_code == 2, result.output
        assert "`search.storage` (postgresql://***@127.0.0.1:1/none) cannot be opened (" in (
            result.output
        )
        assert PASSWORD not in result.output
        assert "Traceback" not in result.output
    assert _found_in(home) == []
    checked = CliRunner().invoke(main, ["--home", str(home), "check", recipe])
    assert checked.exit_code == 0
    assert PASSWORD not in checked.output


@pytest.mark.parametrize("storage", ["sqlite:////proc/none/study.db", "nosql://here", "file.db"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, storage: str) -> None:
    with pytest.raises(StudyError, match=r"`search\.storage` \(.*\) cannot be opened"):
        tiny.run(tmp_path, tiny.recipe(storage=storage))


def test_a_storage_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    close_storage(open_storage(f"sqlite:///{tmp_path}/study.db"))
    data = tiny.recipe(storage=f"sqlite:///file:{tmp_path}/study.db?mode=ro&uri=true")
    with pytest.raises(StudyError, match=r"`search\.storage`.* (cannot be opened|has failed) \("):
        tiny.run(tmp_path, data)

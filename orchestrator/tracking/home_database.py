"""MLflow's database in a home: checked before MLflow opens it, and right where the home has moved.

It is read without MLflow, whose import takes seconds.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from students.errors import UserError

_ARTIFACTS = "mlartifacts"
_PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Where MLflow has absolute places of files: column by table."""

_NOT_IN_ADDRESSES = frozenset("%?#")


def artifacts_of(database: Path) -> str:
    """The address of the files of the runs in ``database``."""
    return database.with_name(_ARTIFACTS).as_uri()


def prepare_database(database: Path, make: Callable[[str], object]) -> None:
    """Makes ``database``, readable by its owner alone, if it is not there; where the home was moved
    or copied, so are the places of files in it.

    ``make`` is given the address of an empty database, and fills it. That is another file until it
    is whole: MLflow makes its tables in many steps, and cannot go on where a process ended between.

    Raises:
        UserError: it is no database, or cannot be opened. MLflow would try that for minutes.
    """
    try:
        if not database.exists():
            _make_whole(database, make)
        if database.is_file():
            database.chmod(0o600)
        with _opened(database, "rw") as open_database:
            _check_whole(open_database)
            _move_places(open_database, artifacts_of(database))
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"'{database}' cannot be used as MLflow's database ({reason}); move it away, and the "
            "next run makes another, or give `tracking.uri`"
        ) from error


def _make_whole(database: Path, make: Callable[[str], object]) -> None:
    folder = database.with_name(f"{database.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    new = folder / database.name
    new.touch(mode=0o600)
    make(address_of(new))
    new.replace(database)
    shutil.rmtree(folder)


def _check_whole(open_database: sqlite3.Connection) -> None:
    """Raises ``sqlite3.Error`` where a change of tables ended half way."""
    query = "SELECT count(*) FROM sqlite_master WHERE name LIKE '!_alembic!_tmp!_%' ESCAPE '!'"
    if open_database.execute(query).fetchone()[0]:
        raise sqlite3.DatabaseError("a change of its tables was cut short")


def has_finished(database: Path, run_ids: Sequence[str]) -> bool:
    """Whether all runs of ``run_ids`` are in ``database``, finished."""
    query = (
        "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active' AND status = 'FINISHED' "
        f"AND run_uuid IN ({', '.join('?' * len(run_ids))})"
    )
    try:
        with _opened(database, "ro") as open_database:
            [count] = open_database.execute(query, list(run_ids)).fetchone()
    except sqlite3.Error:
        return False
    return int(count) == len(run_ids)


def address_of(database: Path) -> str:
    """The address under which MLflow opens ``database``.

    MLflow reads some characters of a path as parts of an address: a path that has them is reached
    by a link.
    """
    is_odd = not _NOT_IN_ADDRESSES.isdisjoint(str(database))
    path = _linked(database.parent) / database.name if is_odd else database
    return f"sqlite:///{path}"


_LINKS = contextlib.ExitStack()
"""The folders of links."""
atexit.register(_LINKS.close)


@cache
def _linked(folder: Path) -> Path:
    links = _LINKS.enter_context(tempfile.TemporaryDirectory(prefix="stillhouse-"))
    link = Path(links, "home")
    link.symlink_to(folder)
    return link


@contextlib.contextmanager
def _opened(database: Path, mode: str) -> Iterator[sqlite3.Connection]:
    address = f"{database.as_uri()}?mode={mode}"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as open_database, open_database:
        yield open_database


def _move_places(open_database: sqlite3.Connection, artifacts: str) -> None:
    tables = {name for (name,) in open_database.execute("SELECT name FROM sqlite_master")}
    if "experiments" not in tables:  # It is empty.
        return
    query = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ?"
    for (before,) in open_database.execute(query, [f"file:%/{_ARTIFACTS}"]).fetchall():
        if before == artifacts:
            continue
        for table, column in _PLACES.items():
            if table in tables:
                open_database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    [artifacts, len(before) + 1, before, len(before) + 1, f"{before}/"],
                )

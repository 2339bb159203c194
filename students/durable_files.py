"""Writes files that survive a crash: each is whole or absent, and on the disk when a call returns.

Every file of a home is written here, except for logs that grow (the step log, the bank's journals)
and arrays that are mapped while they are filled. A process that is killed may leave a file whose
name begins with ``TEMPORARY``; nothing reads it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp-"


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces ``path``: a reader finds the old content or the new, also after a power failure."""
    with atomic_writer(path) as file:
        file.write(content)


def move_aside(path: Path) -> None:
    """Renames what lies at ``path``, so that something else can be written there; nothing is lost
    of it."""
    with suppress(FileNotFoundError):
        path.rename(path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}"))


def _replace(fresh: Path, path: Path) -> None:
    try:
        fresh.replace(path)
    except IsADirectoryError:
        move_aside(path)
        fresh.replace(path)


@contextmanager
def atomic_writer(
    path: Path, publish: Callable[[Path, Path], None] = _replace
) -> Iterator[BinaryIO]:
    """Opens a new file that replaces ``path`` on leaving; after an error ``path`` is unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(8)}")
    try:
        with fresh.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(fresh, path)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    sync(path.parent)


def create_atomically(path: Path, content: bytes) -> None:
    """Writes ``path`` unless it exists; of several processes that try, the first one's stands."""
    with suppress(FileExistsError), atomic_writer(path, publish=os.link) as file:
        file.write(content)


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Makes ``folder`` with one file for each name, which may lie in a folder of its own; it is on
    the disk, ready to be renamed."""
    folder.mkdir(parents=True)
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        sync(file)
        sync(file.parent)
    sync(folder)


def file_sha256(path: Path) -> str:
    """The sha256, in hex, of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Waits until the disk has a file's content, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

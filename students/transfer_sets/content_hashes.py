"""Remembers the content hashes of files, so that unchanged files are not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from students.durable_files import file_sha256, write_atomically

_SETTLED_NS = 50_000_000
"""A file changed less than this ago could change again within one tick of its clock."""


def hashes_of(root: Path, names: Iterable[str], *, cache: Path) -> dict[str, str]:
    """sha256, in hex, of each file ``root/name``, by name.

    A file is read only if its size or one of its times differs from what ``cache`` (a
    folder) remembers of it; the memory is written whole or not at all, one file per root.

    Raises:
        OSError: a file cannot be read.
    """
    place = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    memory = cache / "file_hashes" / f"{place}.json"
    known = _recall(memory)
    now = time.time_ns()
    found: dict[str, str] = {}
    fresh: dict[str, list[object]] = {}
    for name in names:
        before = _stamp(root / name)
        remembered = known.get(name)
        if remembered is not None and remembered[0] == before:
            found[name] = str(remembered[1])
        else:
            found[name] = file_sha256(root / name)
            if _stamp(root / name) == before and now - max(before[1:]) > _SETTLED_NS:
                fresh[name] = [before, found[name]]
    if fresh:
        # Without this file only time is lost; an unwritable home is reported elsewhere.
        with contextlib.suppress(OSError):
            write_atomically(memory, json.dumps({**known, **fresh}).encode())
    return found


def _recall(memory: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp(path: Path) -> list[int]:
    """Size, time of the content, time of the entry: the last cannot be set back by hand."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]

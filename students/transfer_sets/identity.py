"""The identity of a transfer set's data: a hash of their content, independent of their location.

Imports no torch, so that a recipe's digests are known at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cluster.errors import some_of
from students.custom_code import source_digest
from students.durable_files import file_sha256
from students.errors import TransferSetError
from students.json_records import read_json, write_json
from students.transfer_sets.config import (
    CustomTransferSet,
    Digits,
    ImageFolder,
    Published,
    Rooted,
    TransferSetConfig,
)
from students.transfer_sets.image_folder import MOST_NAMED, existing, read_layout

DIGITS_IDENTITY = "ee6d0aae678dea2e3d60e0529654f576ea09f209ea944acff4d10ab31fad3f34"
"""sha256 of the digits' shape, classes, targets and pictures (``digits.content_of``): a constant,
for they come with a package and never change."""

RETURNED = "(returned)"
"""What a custom set's function has returned, beside the names of files."""

_SETTLED_NS = 50_000_000
"""A file changed less than this ago could change again within one tick of its clock."""


def root_of(config: Rooted, folder: Path) -> Path:
    """The recipe's root; a relative one is meant from the recipe's ``folder``."""
    return existing((folder / Path(config.root).expanduser()).resolve())


def missing_files(config: Published, root: Path) -> list[str]:
    """Which of the files of a published set are not at ``root``."""
    return [name for name in config.files if not (root / name).is_file()]


def identify(config: TransferSetConfig, *, folder: Path, cache: Path) -> str:
    """sha256, in hex, of the data that ``config`` names; ``folder`` is the recipe's.

    A published set is its raw files, a folder of pictures their names below the root and
    their contents, ``digits`` a constant. Of a custom set only the source and the options
    are known before its function runs: the identity of the *loaded* set covers the arrays
    as well and differs from this one. ``cache`` is a folder in which hashes of files are
    remembered. Nothing is downloaded.

    Raises:
        TransferSetError: the data are absent, unreadable or not laid out as they should be.
    """
    return identity_of(config, contents_of(config, folder=folder, cache=cache))


def contents_of(config: TransferSetConfig, *, folder: Path, cache: Path) -> dict[str, str]:
    """What ``identify`` makes an identity of: sha256, in hex, by name of a file; none of digits.

    Raises:
        TransferSetError: as ``identify``.
    """
    if isinstance(config, Digits):
        return {}
    if isinstance(config, CustomTransferSet):
        return {config.file: source_digest(config.source, folder)}
    root = root_of(config, folder)
    names: Sequence[str] = ()
    try:
        names = _names(config, root)
        return hashes_of(root, names, cache=cache)
    except OSError as problem:
        closed = [f"'{root / name}'" for name in names if not os.access(root / name, os.R_OK)]
        closed = closed or [f"'{problem.filename}'"]
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}', where "
            f"{some_of(closed, MOST_NAMED)} cannot be read ({problem.strerror}); "
            "make it readable or take it out.",
            path="root",
        ) from problem


def identity_of(config: TransferSetConfig, contents: Mapping[str, str]) -> str:
    """sha256, in hex, of ``contents``; of a custom set they may have what its function
    ``RETURNED``."""
    if isinstance(config, Digits):
        return DIGITS_IDENTITY
    if not isinstance(config, CustomTransferSet):
        fields: list[object] = [config.kind, sorted(contents.items())]
        if isinstance(config, ImageFolder) and config.parts != ImageFolder().parts:
            fields.append(config.parts)
        return _digest(fields)
    function = config.source.rpartition(":")[2]
    given = _digest(["custom", contents[config.file], function, sorted(config.options.items())])
    if RETURNED not in contents:
        return given
    return hashlib.sha256(f"{given} {contents[RETURNED]}".encode()).hexdigest()


def _names(config: Published | ImageFolder, root: Path) -> Sequence[str]:
    if isinstance(config, ImageFolder):
        return read_layout(root, config.parts).names
    missing = missing_files(config, root)
    if missing:
        found = "" if root.is_dir() else ", a folder that does not exist"
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}' ({root}{found}), where {len(missing)} of the "
            f"files of {config.kind} are missing, first '{missing[0]}'; put torchvision's files "
            "there, or run once on a machine with a network, where they are downloaded.",
            path="root",
        )
    return config.files


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


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
        if isinstance(remembered, list) and remembered[:1] == [before] and len(remembered) == 2:
            found[name] = str(remembered[1])
        else:
            found[name] = file_sha256(root / name)
            if _stamp(root / name) == before and now - max(before[1:]) > _SETTLED_NS:
                fresh[name] = [before, found[name]]
    if fresh:
        # Without this file only time is lost; an unwritable home is reported elsewhere.
        with contextlib.suppress(OSError):
            write_json(memory, {"files": {**known, **fresh}})
    return found


def hash_of(path: Path, cache: Path) -> str:
    """sha256, in hex, of one file, as ``hashes_of``."""
    return hashes_of(path.parent, [path.name], cache=cache)[path.name]


def _recall(memory: Path) -> dict[str, list[object]]:
    try:
        known = read_json(memory).get("files")
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp(path: Path) -> list[int]:
    """Size, time of the content, time of the entry: the last cannot be set back by hand."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]

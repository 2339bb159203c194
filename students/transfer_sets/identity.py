"""The identity of a transfer set's data: a hash of their content, independent of their location.

Imports no torch, so that a recipe's digests are known at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from students.custom_code import source_digest
from students.errors import TransferSetError
from students.transfer_sets.config import (
    CustomTransferSet,
    Digits,
    ImageFolder,
    Published,
    TransferSetConfig,
)
from students.transfer_sets.content_hashes import hashes_of
from students.transfer_sets.image_folder import read_layout
from students.transfer_sets.locations import (
    DIGITS_IDENTITY,
    missing_files,
    missing_set,
    root_of,
)


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
    if isinstance(config, Digits):
        return DIGITS_IDENTITY
    if isinstance(config, CustomTransferSet):
        function = config.source.rpartition(":")[2]
        source = source_digest(config.source, folder)
        return _digest(["custom", source, function, sorted(config.options.items())])
    try:
        return _of_files(config, root_of(config, folder), cache)
    except OSError as problem:
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}', where '{problem.filename}' cannot be read "
            f"({problem.strerror}); make it readable or take it out.",
            path="root",
        ) from problem


def _of_files(config: Published | ImageFolder, root: Path, cache: Path) -> str:
    if isinstance(config, ImageFolder):
        names: Iterable[str] = read_layout(root).names
    else:
        names = config.files
        missing = missing_files(config, root)
        if missing:
            raise missing_set(config, root, missing)
    return _digest([config.kind, sorted(hashes_of(root, names, cache=cache).items())])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()

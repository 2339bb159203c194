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
    Rooted,
    TransferSetConfig,
)
from students.transfer_sets.content_hashes import hashes_of
from students.transfer_sets.image_folder import read_layout

DIGITS_IDENTITY = "ee6d0aae678dea2e3d60e0529654f576ea09f209ea944acff4d10ab31fad3f34"
"""sha256 of the digits' shape, classes, targets and pictures (``digits.content_of``): a constant,
for they come with a package and never change."""


def root_of(config: Rooted, folder: Path) -> Path:
    """The recipe's root; a relative one is meant from the recipe's ``folder``."""
    return (folder / Path(config.root).expanduser()).resolve()


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
    if isinstance(config, Digits):
        return DIGITS_IDENTITY
    if isinstance(config, CustomTransferSet):
        function = config.source.rpartition(":")[2]
        source = source_digest(config.source, folder)
        return _digest(["custom", source, function, sorted(config.options.items())])
    root = root_of(config, folder)
    try:
        hashes = hashes_of(root, _names(config, root), cache=cache)
    except OSError as problem:
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}', where '{problem.filename}' cannot be read "
            f"({problem.strerror}); make it readable or take it out.",
            path="root",
        ) from problem
    return _digest([config.kind, sorted(hashes.items())])


def _names(config: Published | ImageFolder, root: Path) -> Iterable[str]:
    if isinstance(config, ImageFolder):
        return read_layout(root).names
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

"""Where a transfer set's files lie, and which of them are missing."""

from __future__ import annotations

from pathlib import Path

from students.errors import TransferSetError
from students.transfer_sets.config import Published, Rooted

DIGITS_IDENTITY = "ee6d0aae678dea2e3d60e0529654f576ea09f209ea944acff4d10ab31fad3f34"
"""sha256 of the digits' shape, classes, targets and pictures (``digits.content_of``): a constant,
for they come with a package and never change."""


def root_of(config: Rooted, folder: Path) -> Path:
    """The recipe's root; a relative one is meant from the recipe's ``folder``."""
    return (folder / Path(config.root).expanduser()).resolve()


def missing_files(config: Published, root: Path) -> list[str]:
    """Which of the files of a published set are not at ``root``."""
    return [name for name in config.files if not (root / name).is_file()]


def missing_set(config: Published, root: Path, missing: list[str]) -> TransferSetError:
    """The problem that a published set is not there, with the two ways to get it."""
    found = "" if root.is_dir() else ", a folder that does not exist"
    return TransferSetError(
        f"`transfer_set.root` is '{config.root}' ({root}{found}), where {len(missing)} of the "
        f"files of {config.kind} are missing, first '{missing[0]}'; put torchvision's files "
        "there, or run once on a machine with a network, where they are downloaded.",
        path="root",
    )

"""Where a transfer set's files lie, and which of them are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from students.errors import TransferSetError
from students.transfer_sets.config import Cifar10, Cifar100, FashionMnist, Mnist, Rooted

Published = Mnist | FashionMnist | Cifar10 | Cifar100

_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

PUBLISHED_FILES: Mapping[str, tuple[str, ...]] = {
    "mnist": tuple(f"MNIST/raw/{name}" for name in _IDX),
    "fashion_mnist": tuple(f"FashionMNIST/raw/{name}" for name in _IDX),
    "cifar10": tuple(
        f"cifar-10-batches-py/{name}"
        for name in (*(f"data_batch_{part}" for part in range(1, 6)), "test_batch", "batches.meta")
    ),
    "cifar100": tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta")),
}
"""The files that torchvision reads, by kind of transfer set, below its root."""


def root_of(config: Rooted, folder: Path) -> Path:
    """The recipe's root; a relative one is meant from the recipe's ``folder``."""
    return (folder / Path(config.root).expanduser()).resolve()


def missing_files(kind: str, root: Path) -> list[str]:
    """Which of the files of a published set are not at ``root``."""
    return [name for name in PUBLISHED_FILES[kind] if not (root / name).is_file()]


def absent(config: Published, root: Path, missing: list[str]) -> TransferSetError:
    """The problem that a published set is not there, with the two ways to get it."""
    found = "" if root.is_dir() else ", a folder that does not exist"
    return TransferSetError(
        f"`transfer_set.root` is '{config.root}' ({root}{found}), where {len(missing)} of the "
        f"files of {config.kind} are missing, first '{missing[0]}'; put torchvision's files "
        "there, or run once on a machine with a network, where they are downloaded.",
        path="root",
    )

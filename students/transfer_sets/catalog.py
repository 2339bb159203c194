"""Loads a transfer set by its kind."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch

from students.errors import TransferSetError
from students.transfer_sets.config import (
    CustomTransferSet,
    Digits,
    ImageFolder,
    Published,
    Shift,
    TransferSetConfig,
)
from students.transfer_sets.custom_set import load_custom
from students.transfer_sets.decoded_cache import empty_array, load_or_make
from students.transfer_sets.digits import content_of, load_digits
from students.transfer_sets.examples import Examples, check_examples, measured
from students.transfer_sets.identity import identify, root_of
from students.transfer_sets.image_files import decode_into
from students.transfer_sets.image_folder import read_layout
from students.transfer_sets.splits import class_counts
from students.transfer_sets.torchvision_sets import download, load_published
from students.transfer_sets.transfer_set import TransferSet


def load_transfer_set(config: TransferSetConfig, *, folder: Path, cache: Path) -> TransferSet:
    """The transfer set that ``config`` names, checked; ``folder`` is the recipe's.

    A published set is downloaded if it is absent. Decoded pictures are kept in ``cache``
    and mapped, so that processes on one machine share them.

    Raises:
        TransferSetError: the data are absent, damaged, or do not allow the parts asked for.
        UserError: the file of a custom set cannot be run.
    """
    examples, identity = _load(config, folder, cache)
    check_examples(examples)
    given = {**vars(examples), "inputs": torch.from_numpy(examples.inputs)}
    loaded = TransferSet(config=config, identity=identity, **given)
    _check_parts(loaded)
    return loaded


def _load(config: TransferSetConfig, folder: Path, cache: Path) -> tuple[Examples, str]:
    """The examples, and the identity of what was loaded."""
    if isinstance(config, Published):
        download(config, root_of(config, folder))
    identity = identify(config, folder=folder, cache=cache)
    if isinstance(config, CustomTransferSet):
        examples = load_custom(config, folder)
        return examples, hashlib.sha256(f"{identity} {content_of(examples)}".encode()).hexdigest()
    if isinstance(config, Digits):
        return load_digits(), identity
    root, key = root_of(config, folder), [config.kind, identity, *config.decoding.values()]
    if isinstance(config, ImageFolder):
        return load_or_make(key, cache=cache, make=partial(_decode_folder, config, root)), identity
    return load_or_make(key, cache=cache, make=lambda _: load_published(config, root)), identity


def _decode_folder(config: ImageFolder, root: Path, scratch: Path) -> Examples:
    layout = read_layout(root)
    inputs = empty_array(scratch, (len(layout.names), config.channels, config.size, config.size))
    decode_into(inputs, (root / name for name in layout.names))
    targets = np.array([number for _, number in (*layout.train, *layout.test)], np.int64)
    return measured(inputs, targets, layout.class_names, len(layout.train))


def _check_parts(loaded: TransferSet) -> None:
    """Checks that the data allow the parts that the recipe asks for."""
    config, validation = loaded.config, loaded.config.validation
    unknown = [name for name in config.omit if name >= loaded.classes]
    if unknown:
        raise _problem(
            "omit",
            f"names class {unknown[0]}, but the classes are 0 to {loaded.classes - 1}; take it out",
        )
    if len(config.omit) == loaded.classes:
        raise _problem(
            "omit",
            f"names all {loaded.classes} classes, so the student is given nothing; leave at least "
            "one",
        )
    largest = min(loaded.shape[1:])
    if isinstance(config.augment, Shift) and config.augment.pixels >= largest:
        raise _problem(
            "augment.pixels",
            f"is {config.augment.pixels}, but the pictures are {largest} pixels small; shift by "
            "less",
        )
    if isinstance(validation, int) and validation >= loaded.train_count:
        raise _problem(
            "validation",
            f"is {validation}, but the training part has {loaded.train_count} samples; ask for "
            "fewer",
        )
    if validation != "none" and len(loaded.validation_ids) == 0:
        raise _problem(
            "validation",
            f"is {validation}, which is no sample of the {loaded.train_count} in the training "
            "part; give a larger share, or write none",
        )
    left = class_counts(loaded.targets[loaded.teacher_ids()], loaded.classes)
    if left.min() == 0:
        raise _problem(
            "validation",
            f"is {validation}, which takes every training sample of class {int(left.argmin())}; "
            "ask for less, or write none",
        )


def _problem(place: str, text: str) -> TransferSetError:
    return TransferSetError(f"`transfer_set.{place}` {text}.", path=place)

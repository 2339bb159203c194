"""Keeps decoded pictures in the cache, where later processes map them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from students.durable_files import file_sha256, sync
from students.errors import TransferSetError
from students.json_records import read_json, write_json
from students.transfer_sets.examples import Examples, Pictures
from students.transfer_sets.identity import hashes_of

PREPARED_FORMAT = 1
"""Raised by hand when the meaning of the files changes."""
_LONGEST_WAIT = 3600.0
_ARRAYS = ("inputs.npy", "targets.npy")


def load_or_make(
    key: Sequence[object], *, cache: Path, make: Callable[[Path], Examples]
) -> Examples:
    """The examples known by ``key``, made by ``make`` if the cache has none.

    ``make`` is given a folder in which it may lay out large arrays. Processes that want
    the same examples wait for the first (at most an hour; its end or death frees them).

    Raises:
        TransferSetError: the cache cannot be written, or the first takes too long.
    """
    name = hashlib.sha256(json.dumps([PREPARED_FORMAT, *key]).encode()).hexdigest()[:32]
    place = cache / "transfer_sets" / name
    if (found := _read(place, cache)) is not None:
        return found
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock"), timeout=_LONGEST_WAIT):
            return _read(place, cache) or _make(place, cache, make)
    except Timeout as problem:
        raise TransferSetError(
            f"Another process has been preparing the pictures in '{place}' for over an hour; "
            "end it and run again."
        ) from problem
    except OSError as problem:
        raise TransferSetError(
            f"The prepared pictures cannot be written to '{place}' ({problem}); "
            "make room there or choose another home."
        ) from problem


def empty_array(folder: Path, shape: tuple[int, ...]) -> Pictures:
    """A new uint8 array in a file of ``folder``, to be filled by a ``make``."""
    file = folder / "inputs.npy"
    array: Pictures = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # A full disk is an error here; met while a page is written, it kills the process.
        with file.open("r+b") as sink:
            os.posix_fallocate(sink.fileno(), 0, file.stat().st_size)
    return array


def _make(place: Path, cache: Path, make: Callable[[Path], Examples]) -> Examples:
    """Makes the examples beside ``place`` and moves them there in one step."""
    # Only one process at a time makes these: what lies there is damaged, or of one that was killed.
    for left_behind in place.parent.glob(f"{place.name}*/"):
        shutil.rmtree(left_behind, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=place.name))
    try:
        examples = make(folder)
        if isinstance(examples.inputs, np.memmap):
            examples.inputs.flush()
        else:
            np.save(folder / "inputs.npy", examples.inputs)
        np.save(folder / "targets.npy", examples.targets)
        fields = ("class_names", "train_count", "mean", "std")
        facts = {name: getattr(examples, name) for name in fields}
        facts["sha256"] = {name: file_sha256(folder / name) for name in _ARRAYS}
        write_json(folder / "facts.json", facts)
        for file in folder.iterdir():
            sync(file)
        folder.replace(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _read(place, cache) or examples


def _read(place: Path, cache: Path) -> Examples | None:
    """The examples at ``place``, or none where they are absent or damaged."""
    try:
        facts = read_json(place / "facts.json")
        # Read whole only where a file is not the one that was read before.
        if hashes_of(place, _ARRAYS, cache=cache) != facts["sha256"]:
            return None
        # Copy on write: pages are shared by all processes, and torch wants a writable array.
        inputs = np.load(place / "inputs.npy", mmap_mode="c")
        targets = np.load(place / "targets.npy")
        words = {name: tuple(facts[name]) for name in ("class_names", "mean", "std")}
        return Examples(inputs, targets, train_count=facts["train_count"], **words)
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Loads the published sets by torchvision's code, and downloads them where they are absent."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from students.errors import TransferSetError
from students.torchvision_door import load_torchvision
from students.transfer_sets.config import Mnist, Published
from students.transfer_sets.examples import Examples, Pictures, joined
from students.transfer_sets.identity import missing_files

_SILENCE = 30.0
"""Seconds without a byte after which a download has failed."""
_LONGEST_WAIT = 3600.0


def load_published(config: Published, root: Path) -> Examples:
    """The training and test pictures at ``root``.

    CIFAR's files are pickles; torchvision opens them only if their checksum is the
    published one, so no other pickle is ever opened.

    Raises:
        TransferSetError: the files are damaged.
    """
    builder = _builder(config)
    try:
        with _as_numpy_of_its_day():
            train, test = (builder(str(root), train=part, download=False) for part in (True, False))
    except (
        RuntimeError,
        ValueError,
        AssertionError,
        OSError,
        EOFError,
        IndexError,
        pickle.UnpicklingError,
    ) as problem:
        place = (root / config.files[0]).parent
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}', where the files of {config.kind} are damaged "
            f"({problem}); delete '{place}' and run again.",
            path="root",
        ) from problem
    names = [str(number) for number in range(10)] if isinstance(config, Mnist) else train.classes
    return joined(
        (_pictures(train.data), np.asarray(train.targets, np.int64)),
        (_pictures(test.data), np.asarray(test.targets, np.int64)),
        tuple(str(name) for name in names),
    )


def download(config: Published, root: Path) -> None:
    """Brings the files to ``root``, each whole or not at all; does nothing if they are there.

    Processes that want the same files wait for the first (at most an hour; its end or
    death frees them).

    Raises:
        TransferSetError: there is no network, or ``root`` cannot be written.
    """
    if not missing_files(config, root):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".stillhouse-download.lock", timeout=_LONGEST_WAIT):
            if missing := missing_files(config, root):
                _fetch(config, root, missing)
    except (OSError, RuntimeError) as problem:
        reason = "another process is at it" if isinstance(problem, Timeout) else problem
        raise TransferSetError(
            f"`transfer_set.root` is '{config.root}' ({root}), where {config.kind} is missing, and "
            f"it could not be downloaded ({_one_line(reason)}); put torchvision's files there, "
            f"first '{config.files[0]}', or run once where there is a network.",
            path="root",
        ) from problem


def _fetch(config: Published, root: Path, missing: list[str]) -> None:
    """Downloads into a folder of its own, then moves each missing file to its place."""
    builder = _builder(config)
    for left_behind in root.glob(".download-*/"):
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as apart:
        with _as_numpy_of_its_day(), _bounded(), contextlib.redirect_stdout(sys.stderr):
            builder(apart, train=True, download=True)
        for name in missing:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(apart) / name).replace(root / name)


def _builder(config: Published) -> Any:
    """Torchvision's class, restricted to the raw files, which are what the identity covers.

    MNIST's would prefer the ``processed`` folder that older versions of torchvision wrote.
    """
    plain = getattr(load_torchvision().datasets, config.torchvision_class)
    return type(plain.__name__, (plain,), {"_check_legacy_exist": lambda _: False})


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Gives up on a network that stays silent; torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _as_numpy_of_its_day() -> Iterator[None]:
    """CIFAR's pickles say ``align=0`` for which numpy now wants a boolean, and warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
        yield


def _pictures(stored: Any) -> Pictures:
    """Torchvision's [N, H, W] or [N, H, W, C] as [N, C, H, W]."""
    pictures = np.asarray(stored)
    if pictures.ndim == 3:
        return pictures[:, None]
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__

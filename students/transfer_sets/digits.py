"""Scikit-learn's real 8x8 digits, read from its packaged file, in a fixed split."""

from __future__ import annotations

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from students.errors import TransferSetError
from students.transfer_sets.examples import Examples, joined
from students.transfer_sets.identity import DIGITS_IDENTITY
from students.transfer_sets.splits import apportion, class_counts, take

_TEST_COUNT = 450
_SPLIT_SEED = 0


def load_digits() -> Examples:
    """1,347 training and 450 test pictures [1, 8, 8], split the same whatever the seed.

    The packaged file is read directly, for ``sklearn.datasets`` takes 2.5 s to import.

    Raises:
        TransferSetError: scikit-learn, or the file in it, is absent or not the expected one.
    """
    file = _packaged_file()
    table = _read(file)
    # The file counts grey in 16 steps; a picture is uint8 from 0 to 255.
    pictures = ((table[:, :64] * 255 + 8) // 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    targets = table[:, 64]
    ids = np.arange(len(targets), dtype=np.int64)
    quotas = apportion(_TEST_COUNT, class_counts(targets, 10))
    test = take(ids, targets, quotas, seed=_SPLIT_SEED, part="digits")
    train = np.setdiff1d(ids, test)
    examples = joined(
        (pictures[train], targets[train]),
        (pictures[test], targets[test]),
        tuple(str(digit) for digit in range(10)),
    )
    if content_of(examples) != DIGITS_IDENTITY:
        raise _problem(f"but '{file}' is not the expected file; install scikit-learn again")
    return examples


def content_of(examples: Examples) -> str:
    """sha256, in hex, of examples: their shape, split, targets and pictures."""
    shape = (*examples.inputs.shape, examples.train_count)
    digest = hashlib.sha256(repr((tuple(map(int, shape)), examples.class_names)).encode())
    digest.update(np.ascontiguousarray(examples.targets, "<i8").tobytes())
    digest.update(np.ascontiguousarray(examples.inputs).data)
    return digest.hexdigest()


def _packaged_file() -> Path:
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise _problem(
            "which comes with scikit-learn, but that is not installed; run `pip install "
            "scikit-learn`"
        )
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _read(path: Path) -> npt.NDArray[np.int64]:
    try:
        with gzip.open(path, "rt") as lines:
            return np.loadtxt(lines, delimiter=",", dtype=np.float64).astype(np.int64)
    except (OSError, EOFError, ValueError) as problem:
        raise _problem(
            f"but scikit-learn's '{path}' cannot be read ({problem}); install scikit-learn again"
        ) from problem


def _problem(text: str) -> TransferSetError:
    return TransferSetError(f"`transfer_set` is digits, {text}.", path="kind")

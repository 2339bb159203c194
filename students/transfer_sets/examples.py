"""Pictures with their classes, as a source gives them, and the rules that they keep.

N samples, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from students.errors import TransferSetError

Pictures = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.int64]
_PORTION = 4096


@dataclass(frozen=True, eq=False)
class Examples:
    """``inputs`` uint8 [N, C, H, W] and ``targets`` int64 [N], the training part first.

    ``mean`` and ``std`` [C] are of the training part, scaled to [0, 1].
    """

    inputs: Pictures
    targets: Targets
    class_names: tuple[str, ...]
    train_count: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def measured(
    inputs: Pictures, targets: Targets, class_names: tuple[str, ...], train_count: int
) -> Examples:
    """The examples with their mean and deviation."""
    moments = [_moments(inputs[:train_count, channel]) for channel in range(inputs.shape[1])]
    mean, std = zip(*moments, strict=True)
    return Examples(inputs, targets, class_names, train_count, mean, std)


def joined(
    train: tuple[Pictures, Targets], test: tuple[Pictures, Targets], class_names: tuple[str, ...]
) -> Examples:
    """Both parts in one, the training part first."""
    return measured(
        np.concatenate((train[0], test[0])),
        np.concatenate((train[1], test[1])).astype(np.int64),
        class_names,
        len(train[1]),
    )


def check_examples(examples: Examples) -> None:
    """Holds examples to their rules: a target each, two parts, no class unseen.

    Raises:
        TransferSetError: naming the first rule that is broken.
    """
    targets, train_count = examples.targets, examples.train_count
    if targets.shape != (len(examples.inputs),):
        raise TransferSetError(
            f"`transfer_set` has {len(examples.inputs)} pictures, but targets of shape "
            f"{list(targets.shape)}; give one class number for each picture."
        )
    if not 0 < train_count < len(targets):
        raise TransferSetError(
            f"`transfer_set` has {train_count} of its {len(targets)} samples in the training part, "
            "but both parts need some; give samples to the other one, too."
        )
    low, high, classes = int(targets.min()), int(targets.max()), len(examples.class_names)
    if low < 0 or high >= classes or classes < 2:
        raise TransferSetError(
            f"`transfer_set` has targets from {low} to {high}, but {classes} classes; number at "
            "least two classes from 0 without gaps."
        )
    absent = np.setdiff1d(np.arange(classes), targets[:train_count])
    if len(absent):
        raise TransferSetError(
            f"`transfer_set` has no sample of class {absent[0]} in the training part; number the "
            "classes from 0 without gaps, or add samples of it."
        )


def _moments(values: Pictures) -> tuple[float, float]:
    """Mean and standard deviation of one channel [N, H, W], scaled to [0, 1].

    Counted in whole numbers and given to four decimals, so equal on every machine. A
    channel that never changes gets a deviation of 1, by which one can divide.
    """
    counts = np.zeros(256, np.int64)
    for start in range(0, len(values), _PORTION):
        counts += np.bincount(values[start : start + _PORTION].ravel(), minlength=256)
    levels = np.arange(256, dtype=np.int64)
    total, first = int(counts.sum()), int((counts * levels).sum())
    second = int((counts * levels * levels).sum())
    variance = (total * second - first * first) / (total * total)
    return round(first / total / 255, 4), round(float(np.sqrt(variance)) / 255, 4) or 1.0

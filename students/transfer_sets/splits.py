"""Splits samples into parts, stratified, as pure functions of a seed and the sample ids.

Samples are chosen by the rank of a hash of their id, not by a generator, so that the same
parts come out under every version of numpy, and a smaller share is part of a larger one.
N samples, C classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from students.randomness import hash_ids, seed_of

Ids = npt.NDArray[np.int64]


def class_counts(targets: Ids, classes: int) -> Ids:
    """How many samples [N] each class [C] has."""
    return np.bincount(targets, minlength=classes).astype(np.int64)


def apportion(total: int, counts: Ids) -> Ids:
    """``total`` dealt out in proportion to ``counts`` [C], which it does not exceed.

    Largest remainders (Hamilton); among equal remainders the lower class comes first. In
    whole numbers throughout, so exact.
    """
    everything = int(counts.sum())
    exact = [total * int(count) for count in counts]
    dealt = np.array([part // everything for part in exact], np.int64)
    remainders = [part % everything for part in exact]
    order = sorted(range(len(exact)), key=lambda name: (-remainders[name], name))
    for name in order[: total - int(dealt.sum())]:
        dealt[name] += 1
    return dealt


def share_of(share: float, counts: Ids) -> Ids:
    """``share`` of each class [C], at least one of a class that has any.

    Rounded, halves to the even number, so that halves add up without a drift.
    """
    rounded = [round(share * int(count)) for count in counts]
    return np.minimum(np.maximum(np.array(rounded, np.int64), 1), counts)


def take(ids: Ids, targets: Ids, quotas: Ids, *, seed: int, part: str) -> Ids:
    """From ``ids`` [N] of classes ``targets`` [N], as many of each class as ``quotas`` [C] says.

    In ascending order. ``part`` names the draw: under one seed, two names choose
    independently of each other.
    """
    order = np.lexsort((ids, hash_ids(seed_of(seed, "split", part), ids), targets))
    arranged = targets[order]
    starts = np.searchsorted(arranged, np.arange(len(quotas)))
    ranks = np.arange(len(ids)) - starts[arranged]
    chosen: Ids = np.sort(ids[order[ranks < quotas[arranged]]])
    return chosen

"""Random numbers for samples: functions of a seed and a sample's id, whatever the batch.

B samples (of one batch or of several), N numbers for each of them.
"""

from __future__ import annotations

from typing import TypeAlias

from students.lazy_imports import np, npt
from students.randomness import hash_ids

Ids: TypeAlias = "npt.NDArray[np.int64]"
Numbers: TypeAlias = "npt.NDArray[np.float64]"


def origins(seed: int, sample_ids: Ids) -> Ids:
    """Where the sequence of each of ``sample_ids`` [B] begins under ``seed``: int64 [B]."""
    return hash_ids(seed, sample_ids).view(np.int64)


def uniforms(begin: Ids, count: int = 1, *, skip: int = 0) -> Numbers:
    """``count`` uniform numbers from (0, 1] for each origin of ``begin`` [B]: float64 [B, count].

    They follow the first ``skip`` of the sequence, and do not depend on ``count``.
    """
    # As SplitMix64 continues from a state: by steps of one constant, each of them mixed.
    states = begin[:, None] + np.arange(skip + 1, skip + count + 1)
    hashes = hash_ids(0, states, stream=1)
    numbers: Numbers = ((hashes >> np.uint64(11)) + np.uint64(1)) * np.float64(2.0**-53)
    return numbers


def gaussians(begin: Ids, count: int, *, skip: int = 0) -> Numbers:
    """``count`` numbers of mean 0 and standard deviation 1 for each origin of ``begin`` [B]:
    [B, count].

    Each two are made of two uniform ones, after the first ``skip``.
    Source: Box & Muller (1958).
    """
    pairs = (count + 1) // 2
    radius = np.sqrt(-2.0 * np.log(uniforms(begin, pairs, skip=skip)))
    angle = (2.0 * np.pi) * uniforms(begin, pairs, skip=skip + pairs)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both[:, :count]

"""Numbers drawn for samples: functions of a seed and a sample's id, whatever the batch.

B samples (of one batch or of several), N numbers for each of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from students.randomness import hash_ids

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def origins(seed: int, sample_ids: Ids) -> Ids:
    """Where the numbers of each of ``sample_ids`` [B] begin under ``seed``: int64 [B]."""
    return hash_ids(seed, sample_ids).view(np.int64)


def uniforms(begin: Ids, count: int = 1, *, skip: int = 0) -> Numbers:
    """``count`` numbers for each origin of ``begin`` [B], evenly from (0, 1]: float64 [B, count].

    They are those after the first ``skip``, the same ones however many there are.
    """
    # As SplitMix64 goes on from a state: by steps of one constant, each of them mixed.
    states = begin[:, None] + np.arange(skip + 1, skip + count + 1)
    hashes = hash_ids(0, states, stream=1)
    shares: Numbers = ((hashes >> np.uint64(11)) + np.uint64(1)) * np.float64(2.0**-53)
    return shares


def gaussians(begin: Ids, count: int, *, skip: int = 0) -> Numbers:
    """``count`` numbers for each origin of ``begin`` [B], of mean 0 and deviation 1: [B, count].

    Each two are made of two uniform ones, after the first ``skip``.
    Source: Box & Muller (1958).
    """
    pairs = (count + 1) // 2
    distance = np.sqrt(-2.0 * np.log(uniforms(begin, pairs, skip=skip)))
    turn = (2.0 * np.pi) * uniforms(begin, pairs, skip=skip + pairs)
    both = np.concatenate([distance * np.cos(turn), distance * np.sin(turn)], axis=1)
    return both[:, :count]

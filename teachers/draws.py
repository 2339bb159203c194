"""Numbers drawn for samples: functions of a seed and a sample's id, whatever the batch.

B batch, N numbers for one sample.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from students.randomness import hash_ids

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def uniforms(seed: int, sample_ids: Ids, count: int = 1) -> Numbers:
    """``count`` numbers for each of ``sample_ids`` [B], evenly from (0, 1]: float64 [B, count].

    The first of a sample's numbers are the same however many there are.
    """
    with np.errstate(over="ignore"):
        own = hash_ids(seed, sample_ids).view(np.int64)
        # As SplitMix64 goes on from a state: by steps of one constant, each of them mixed.
        states = own[:, None] + np.arange(1, count + 1)
    hashes = hash_ids(seed, states, stream=1)
    shares: Numbers = ((hashes >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53
    return shares


def gaussians(seed: int, sample_ids: Ids, count: int) -> Numbers:
    """``count`` numbers for each of ``sample_ids`` [B], of mean 0 and deviation 1: [B, count].

    Two at a time from two uniform ones.
    Source: Box & Muller (1958).
    """
    pairs = (count + 1) // 2
    radius, angle = np.split(uniforms(seed, sample_ids, 2 * pairs), 2, axis=1)
    distance = np.sqrt(-2.0 * np.log(np.ascontiguousarray(radius)))
    turn = (2.0 * np.pi) * angle
    both = np.concatenate([distance * np.cos(turn), distance * np.sin(turn)], axis=1)
    return both[:, :count]

"""Which triplets of a micro-batch are compared: a pure function of its view and its samples.

B samples, T triplets.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from students.randomness import generator

Positions = npt.NDArray[np.int64]


def triplets(sample_ids: npt.NDArray[np.int64], view: int, most: int) -> Positions:
    """Positions [T, 3] in the micro-batch: an anchor and two others, no triplet twice.

    Which of the two others stands first does not matter, so there are B (B-1) (B-2) / 2; all
    come if that is at most ``most``, else ``most`` of them drawn without replacement, the same
    for the same samples in the same order under the same view, wherever that is.
    """
    samples = len(sample_ids)
    of_anchor = (samples - 1) * (samples - 2) // 2
    total = samples * of_anchor
    if total <= most:
        return _spelt(np.arange(total), samples)
    spelling = np.asarray(sample_ids, dtype="<i8").tobytes().hex()
    random = generator(view, "triplets", spelling)
    return _spelt(random.choice(total, most, replace=False, shuffle=False), samples)


def _spelt(numbers: npt.NDArray[np.int64], samples: int) -> Positions:
    """The triplets of these numbers: each anchor has the pairs of all others in turn."""
    first, second = np.triu_indices(max(samples - 1, 0), k=1)
    anchors, pair = np.divmod(numbers, max(len(first), 1))
    others = np.stack([first[pair], second[pair]], axis=1)
    # Numbers of others leave the anchor out, so those from the anchor on are one further.
    return np.column_stack([anchors, others + (others >= anchors[:, None])])

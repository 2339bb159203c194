"""Makes a sample's view: its augmented picture, a pure function of seed, view and sample id.

B batch, C channels, H height, W width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import UInt8
from torch import Tensor

from students.randomness import hash_ids, seed_of
from students.transfer_sets.config import Augmentation

Pictures = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def augmented(
    inputs: UInt8[Tensor, "batch channels height width"],
    sample_ids: npt.NDArray[np.int64],
    augment: Augmentation,
    *,
    seed: int,
    view: int,
) -> UInt8[Tensor, "batch channels height width"]:
    """The pictures of ``sample_ids`` [B] under ``view``, uint8 [B, C, H, W] as ``inputs`` are.

    A sample's picture depends on its own row, its id, ``augment``, ``seed`` and ``view``,
    never on the batch in which it stands. ``inputs`` is left as it is (with no
    augmentation it is the answer itself).
    """
    if not augment.changes:
        return inputs
    margin, mirrors = augment.variation
    top, left, mirrored = _draws(seed_of(seed, "view", augment.kind, view), sample_ids, margin)
    pictures = _windows(inputs.numpy(), top, left, margin)
    if mirrors:
        pictures[mirrored] = pictures[mirrored][..., ::-1]
    return torch.from_numpy(pictures)


def _draws(
    seed: int, sample_ids: npt.NDArray[np.int64], margin: int
) -> tuple[Offsets, Offsets, npt.NDArray[np.bool_]]:
    """For each sample [B]: two offsets in [0, 2 ``margin``], and whether it is mirrored.

    All three are digits of one 64-bit hash in a mixed radix, so that one hash serves
    them; the bias against uniform draws is below 2**-49.
    """
    hashes = hash_ids(seed, sample_ids)
    places = np.uint64(2 * margin + 1)
    left = (hashes // places) % places
    mirrored = (hashes // (places * places)) % np.uint64(2)
    return (hashes % places).astype(np.int64), left.astype(np.int64), mirrored.astype(np.bool_)


def _windows(pictures: Pictures, top: Offsets, left: Offsets, margin: int) -> Pictures:
    """From each picture [B, C, H, W] within ``margin`` zeros, the H x W window at its offsets.

    One gather over a strided view of all windows: no copy of a window that is not taken
    and no loop over samples. Offsets (``margin``, ``margin``) give the picture itself.
    """
    batch, channels, height, width = pictures.shape
    padded = np.zeros((batch, channels, height + 2 * margin, width + 2 * margin), np.uint8)
    padded[:, :, margin : margin + height, margin : margin + width] = pictures
    every = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    by_offset = every.transpose(0, 2, 3, 1, 4, 5)
    windows: Pictures = by_offset[np.arange(batch), top, left]
    return windows

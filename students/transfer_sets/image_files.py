"""Decodes a picture file and brings it to one size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from students.errors import TransferSetError
from students.transfer_sets.examples import Pictures

_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_PORTION = 256


def decode_into(target: Pictures, files: Iterator[Path]) -> None:
    """Fills ``target`` uint8 [N, C, S, S] with the pictures of N ``files``, in their order.

    Raises:
        TransferSetError: a file is not a whole picture; the message names it.
    """
    _, channels, size, _ = target.shape
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(target), _PORTION):
            portion = list(islice(files, _PORTION))
            decoded = pool.map(lambda file: decode(file, channels=channels, size=size), portion)
            for place, picture in enumerate(decoded, start):
                target[place] = picture


def decode(file: Path, *, channels: int, size: int) -> Pictures:
    """One picture, uint8 [C, S, S]: upright, its centre square, resized (bilinear).

    Grey or RGB as ``channels`` says; transparency is dropped.

    Raises:
        TransferSetError: the file is not a whole picture of 8 bits a channel.
    """
    try:
        with Image.open(file) as opened:
            if opened.mode in _DEEP:
                raise TransferSetError(
                    f"`transfer_set.root`: '{file}' has more than 8 bits a channel "
                    f"({opened.mode}); convert it to 8 bits.",
                    path="root",
                )
            upright = ImageOps.exif_transpose(opened)
            flat = upright.convert("RGBA") if "transparency" in upright.info else upright
            picture = _centre(flat.convert("L" if channels == 1 else "RGB"), size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise TransferSetError(
            f"`transfer_set.root`: '{file}' cannot be read as a picture ({problem}); "
            "replace it or take it out.",
            path="root",
        ) from problem
    return np.asarray(picture, np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _centre(picture: Image.Image, size: int) -> Image.Image:
    """The centre square of ``picture``, ``size`` pixels wide.

    The same as to bring the shorter side to ``size`` and to crop, without ever holding
    the longer side enlarged.
    """
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    if (width, height) == (size, size):
        return picture
    box = (left, top, left + side, top + side)
    return picture.resize((size, size), Image.Resampling.BILINEAR, box=box)

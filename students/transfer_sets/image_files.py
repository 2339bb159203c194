"""Decodes a picture file and brings it to one size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cluster.errors import some_of
from students.errors import TransferSetError
from students.transfer_sets.examples import Pictures
from students.transfer_sets.image_folder import MOST_NAMED

_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_PORTION = 256
_MOST_PIXELS = 178_956_970
"""Pillow's own limit: a file of a few hundred kilobytes may unpack to more than the memory."""
NOT_DECODED = frozenset(
    {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IMT", "IPTC", "MCIDAS", "MPEG", "SPIDER", "WMF"}
)
"""Formats that Pillow knows which are no pictures of 8 bits, or which other programs would run."""


def decode_into(target: Pictures, files: Iterator[Path]) -> None:
    """Fills ``target`` uint8 [N, C, S, S] with the pictures of N ``files``, in their order.

    Raises:
        TransferSetError: some files are not whole pictures; the message names them.
    """
    _, channels, size, _ = target.shape
    broken: list[str] = []

    def attempt(file: Path) -> Pictures | str:
        try:
            return decode(file, channels=channels, size=size)
        except NotAPicture as problem:
            return f"'{file}' ({problem})"

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool, warnings.catch_warnings():
        # What a decoder has to say of a file's oddities names no file.
        warnings.simplefilter("ignore")
        for start in range(0, len(target), _PORTION):
            portion = list(islice(files, _PORTION))
            for place, picture in enumerate(pool.map(attempt, portion), start):
                if isinstance(picture, str):
                    broken.append(picture)
                else:
                    target[place] = picture
    if broken:
        what = "1 file" if len(broken) == 1 else f"{len(broken):,} files"
        raise TransferSetError(
            f"`transfer_set.root` has {what} that cannot be read as a picture: "
            f"{some_of(broken, MOST_NAMED)}; replace each or take it out.",
            path="root",
        )


class NotAPicture(Exception):
    """A file that cannot be decoded; the message says why, in a few words."""


def decode(file: Path, *, channels: int, size: int) -> Pictures:
    """One picture, uint8 [C, S, S]: upright, its centre square, resized (bilinear).

    Grey or RGB as ``channels`` says; transparency is dropped.

    Raises:
        NotAPicture: the file is not a whole picture of 8 bits a channel.
    """
    Image.init()
    formats = [each for each in Image.ID if each not in NOT_DECODED]
    try:
        with Image.open(file, formats=formats) as opened:
            if opened.mode in _DEEP:
                raise NotAPicture(f"more than 8 bits a channel, {opened.mode}: convert it to 8")
            upright = ImageOps.exif_transpose(opened)
            flat = upright.convert("RGBA") if "transparency" in upright.info else upright
            picture = _centre(flat.convert("L" if channels == 1 else "RGB"), size)
    except NotAPicture:
        raise
    except UnidentifiedImageError as problem:
        raise NotAPicture(_content_of(file)) from problem
    except Image.DecompressionBombError as problem:
        raise NotAPicture(f"more than {_MOST_PIXELS:,} pixels: make it smaller") from problem
    except Exception as problem:  # A decoder may raise anything on a damaged file.
        raise NotAPicture(str(problem) or type(problem).__name__) from problem
    return np.asarray(picture, np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _content_of(file: Path) -> str:
    """What a file is that no decoder knows, by its first bytes."""
    with file.open("rb") as opened:
        start = opened.read(200).lstrip()
    if not start:
        return "it is empty"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: fetch the file by `git lfs pull`"
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "of no known format"


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

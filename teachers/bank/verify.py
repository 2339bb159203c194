"""Reads all that is sealed on a shelf, and holds it to its checksums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from teachers.bank.inventory import StoredShelf
from teachers.bank.layout import SEALED, column_of, views_of
from teachers.bank.sealed_file import SealedFile
from teachers.bank.sealed_head import FileSpoilt, head_of
from teachers.bank.shelf import file_identity, identity_of


@dataclass(frozen=True)
class Spoilt:
    """A file, or ``answers`` in it, that cannot be read."""

    path: Path
    answers: int
    why: str


@dataclass(frozen=True)
class Verified:
    """What reading every checksum of a shelf came to."""

    files: int
    answers: int
    spoilt: tuple[Spoilt, ...]


def verify(shelf: StoredShelf) -> Verified:
    """Reads all that is sealed on a shelf, and holds it to its checksums; changes nothing."""
    files, answers, spoilt = 0, 0, []
    identity = identity_of(shelf.about, shelf.inference)
    for view, folder in views_of(shelf.folder):
        for path in sorted(folder.glob(f"*{SEALED}")):
            files += 1
            try:
                sealed = _opened(path, identity, view)
            except FileSpoilt as error:
                spoilt.append(Spoilt(path, 0, str(error)))
                continue
            total, good = sealed.presence.total, len(sealed.good_ids())
            answers += good
            if good < total:
                spoilt.append(Spoilt(path, total - good, "the bytes do not match their checksum"))
    return Verified(files, answers, tuple(spoilt))


def _opened(path: Path, identity: str, view: int) -> SealedFile:
    row_bytes, samples, _ = head_of(path)
    expected = file_identity(identity, view, column_of(path), row_bytes)
    return SealedFile(path, expected, row_bytes, samples)

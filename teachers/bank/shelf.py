"""A shelf: the answers of one teacher, with the same columns, to the views of a transfer set.

``HOME/bank/<digest>/`` holds ``about.json`` (all that may change what is stored; the digest is
its digest), ``manner.json`` (how the teacher is run) and a folder for each view, in it files for
each column: ``view-3/logits.sealed``, ``view-3/logits.0f3a....journal``, and ``view-3/lock`` for
the sealer.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from students.json_records import canonical_json, read_json, reason_of, report_damage, write_json
from teachers.bank.columns import Column
from teachers.errors import BankError

BANK_FORMAT = 1
"""Raised by hand when the meaning of what is stored changes."""
ABOUT, INFERENCE = "about.json", "manner.json"
SEALED, JOURNAL = ".sealed", ".journal"
_VIEW = re.compile(r"view-(\d+)")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_BANKS_FORMAT = "format.json"
_PLACE = "ensemble.bank"
_DIGITS = 32
_LABEL = "teacher"
"""A teacher's name stands in ``about``, but the same teacher by another name has the same shelf."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Shelf:
    """Where the answers of one teacher are stored; to make one touches no disk.

    ``identity`` stands in every file, so that none is read which does not belong; ``samples``
    says that ids are 0 .. samples-1; ``budget`` is in bytes, of the whole bank.
    """

    folder: Path
    identity: str
    samples: int
    budget: int
    columns: tuple[Column, ...]

    @property
    def bank(self) -> Path:
        """The folder of all shelves."""
        return self.folder.parent

    def view_folder(self, view: int) -> Path:
        """The folder of the answers to one view."""
        return self.folder / f"view-{view}"

    def of(self, names: Container[str]) -> Shelf:
        """The same with those of its columns that are named."""
        return replace(self, columns=tuple(each for each in self.columns if each.name in names))


def views_of(shelf: Path) -> Iterator[tuple[int, Path]]:
    """The views for which the shelf has a folder, ascending, and the folders."""
    try:
        paths = list(shelf.iterdir())
    except FileNotFoundError:
        return
    found = [(match, path) for path in paths if (match := _VIEW.fullmatch(path.name))]
    yield from sorted((int(match[1]), path) for match, path in found)


def shelves_of(bank: Path) -> list[Path]:
    """The folders of all shelves of a bank."""
    if not bank.is_dir():
        return []
    folders = (path for path in bank.iterdir() if _DIGEST.fullmatch(path.name))
    return sorted(path for path in folders if path.is_dir() and not path.is_symlink())


def sealed_path(folder: Path, column: str) -> Path:
    """The sealed file of a column, in the folder of a view."""
    return folder / f"{quote(column, safe='')}{SEALED}"


def journals_in(folder: Path, column: str | None = None) -> list[Path]:
    """The journals of a view, or of one column of it, in order of their names."""
    stem = ".*" if column is None else re.escape(quote(column, safe=""))
    name = re.compile(rf"{stem}\.[0-9a-f]+{re.escape(JOURNAL)}")
    try:
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def shelf_digest(about: Mapping[str, Any]) -> str:
    """The name of a shelf's folder; the teacher's name makes no difference."""
    return hashlib.sha256(canonical_json(_identified_by(about))).hexdigest()[:_DIGITS]


def identity_of(about: Mapping[str, Any], inference: Mapping[str, Any]) -> str:
    """The identity (hex) of what is stored about ``about`` by a teacher run with ``inference``."""
    return hashlib.sha256(
        canonical_json({"about": _identified_by(about), "manner": inference})
    ).hexdigest()


def file_identity(identity: str, view: int, column: str, row_bytes: int) -> bytes:
    """What stands in the head of the files of one column of one view (32 bytes)."""
    return hashlib.sha256(canonical_json([identity, view, column, row_bytes])).digest()


def prepare_bank(bank: Path) -> None:
    """Makes the folder of all shelves, if it is not there; nothing on a full disk.

    Raises:
        BankError: the bank has another format, or cannot be used here.
    """
    with _make_folder(bank):
        file = bank / _BANKS_FORMAT
        stored = _read(file)
        if stored is None:
            write_json(file, {"format": BANK_FORMAT})
        elif stored.get("format") != BANK_FORMAT:
            raise _other_format(bank, stored.get("format"))


def prepare_shelf(folder: Path, about: Mapping[str, Any]) -> None:
    """Makes the shelf's folder with ``about.json`` in it, if it is not there; nothing on a full
    disk.

    Raises:
        BankError: the bank has another format, or cannot be used here.
    """
    prepare_bank(folder.parent)
    with _make_folder(folder):
        stored = read_about(folder)
        if stored is not None and stored.get("format") not in (None, about.get("format")):
            raise _other_format(folder, stored["format"])
        if stored is None or shelf_digest(stored) != shelf_digest(about):
            write_json(folder / ABOUT, about)


def read_about(folder: Path) -> dict[str, Any] | None:
    """What the shelf in ``folder`` says of itself; None if that is absent or damaged."""
    return _read(folder / ABOUT)


def read_inference_config(folder: Path) -> dict[str, Any] | None:
    """How the teacher of the shelf in ``folder`` is run; None if it is not chosen."""
    return _read(folder / INFERENCE)


@contextmanager
def _make_folder(folder: Path) -> Iterator[None]:
    """Makes ``folder``; the body of the ``with`` statement fills it.

    Raises:
        BankError: it cannot be used, except for a full disk: then the first write reports it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except FileExistsError as error:
        raise _unusable(folder, "not a directory") from error
    except OSError as error:
        if error.errno not in _FULL:
            raise _unusable(folder, error.strerror) from error
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "no right to read and write")


def _other_format(folder: Path, given: Any) -> BankError:
    return BankError(
        f"the bank in '{folder}' is of format {given}, but this version reads format "
        f"{BANK_FORMAT}; delete it (that costs time, nothing else), give another home, or take "
        f"`{_PLACE}: none`",
        path=_PLACE,
    )


def _unusable(folder: Path, reason: str | None) -> BankError:
    return BankError(
        f"the bank in '{folder}' cannot be used: {(reason or 'no access').lower()}; check its "
        f"rights, give another home, or take `{_PLACE}: none`",
        path=_PLACE,
    )


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return read_json(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        report_damage(file, reason_of(error), "it is written again")
        return None


def _identified_by(about: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in about.items() if key != _LABEL}

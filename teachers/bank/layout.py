"""Where the files of a shelf are: a folder for each view, in it files for each column.

``view-3/logits.sealed``, ``view-3/logits.0f3a....journal``, and ``view-3/lock`` for the sealer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

SEALED, JOURNAL = ".sealed", ".journal"
_VIEW = re.compile(r"view-(\d+)")
_DIGEST = re.compile(r"[0-9a-f]{32}")


def view_folder(shelf: Path, view: int) -> Path:
    """The folder of the answers to one view."""
    return shelf / f"view-{view}"


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


def journal_path(folder: Path, column: str, writer: str) -> Path:
    """The journal of a column that belongs to one writer, named by hexadecimal digits."""
    return folder / f"{quote(column, safe='')}.{writer}{JOURNAL}"


def journals_in(folder: Path, column: str | None = None) -> list[Path]:
    """The journals of a view, or of one column of it, in order of their names."""
    stem = ".*" if column is None else re.escape(quote(column, safe=""))
    name = re.compile(rf"{stem}\.[0-9a-f]+{re.escape(JOURNAL)}")
    try:
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []

"""Tables for the terminal; rates, times, sizes and counts with their nouns in text."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

ABSENT = "-"
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and ends of lines."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What changes the direction of the text that follows."""


@dataclass(frozen=True)
class Grid:
    """A table's content; its first ``words`` columns are words, the others figures."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def writable(text: str) -> str:
    """``text`` with escapes for characters that no encoding has, and for those that would break a
    line or turn it round."""
    return "".join(
        each.encode("unicode_escape").decode()
        if unicodedata.category(each) in _UNWRITABLE or each in _TURNING
        else each
        for each in text
    )


def print_sentences(sentences: Iterable[str]) -> None:
    """Prints each on lines of its own."""
    for sentence in sentences:
        _output().print(Text(sentence))


def print_grid(grid: Grid) -> None:
    """Prints one table; columns of words are wrapped where it is too wide."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, header in enumerate(grid.headers):
        words = number < grid.words
        table.add_column(
            header,
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=not words and " " not in header,
        )
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    console = _output()
    console.print(Text(grid.title, style="italic"))
    console.print(table)


def _output() -> Console:
    """Standard output, a hundred columns wide where it is a pipe or a file."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)


def format_rate(rate: float | None) -> str:
    """A rate with three figures: ``1,640``, ``12.3``; ``-`` where there is none."""
    if rate is None:
        return ABSENT
    return f"{float(f'{rate:.3g}'):,.0f}" if rate >= 100 else f"{rate:.3g}"


def format_duration(seconds: float) -> str:
    """A time in its natural unit: ``0.4 s``, ``35 s``, ``14 min``, ``3.2 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def format_bytes(size: int) -> str:
    """A size in its natural unit: ``0 bytes``, ``12.3 MB``."""
    if size < 1000:
        return f"{size} bytes"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while len(units) > 1 and value >= 999.95:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``3 files``; ``plural`` where it is not the noun and an s."""
    return f"1 {noun}" if count == 1 else f"{count} {plural or noun + 's'}"

"""A table of words and figures, and how it is printed in the terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

ABSENT = "-"


@dataclass(frozen=True)
class Grid:
    """A table's content; its first ``words`` columns are words, the others figures."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def output() -> Console:
    """Standard output, a hundred columns wide where it is a pipe or a file."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)


def print_grid(grid: Grid, console: Console | None = None) -> None:
    """Prints one table, to standard output if nowhere else; columns of words are wrapped where
    it is too wide."""
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
    console = console or output()
    console.print(Text(grid.title, style="italic"))
    console.print(table)

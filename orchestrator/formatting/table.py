"""A table of words and figures, and how it is drawn in the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

ABSENT = "-"


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn; its first ``words`` columns are words, the others figures."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def print_grid(grid: Grid, console: Console) -> None:
    """Draws one table."""
    table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, header in enumerate(grid.headers):
        table.add_column(
            header,
            justify="left" if number < grid.words else "right",
            overflow="fold",
            no_wrap=number > 0 and " " not in header,
        )
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)

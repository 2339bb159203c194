"""Where commands print their tables."""

from __future__ import annotations

import sys

from rich.console import Console


def output() -> Console:
    """Standard output, a hundred columns wide where it is a pipe or a file."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)

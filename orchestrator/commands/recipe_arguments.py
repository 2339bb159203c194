"""The arguments with which a command takes a recipe: its path, and values set for this once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def recipe_arguments(function: F) -> F:
    """Gives a command ``recipe: Path``, ``bare: tuple[str, ...]``, ``settings: tuple[str, ...]``.

    ``overrides(bare, settings)`` puts the last two in one row.
    """
    function = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="A.B=VALUE",
        help="Set a value of the recipe, as YAML; null takes an entry out.",
    )(function)
    function = click.argument("bare", nargs=-1, metavar="[A.B=VALUE]...")(function)
    return click.argument("recipe", type=click.Path(path_type=Path), metavar="RECIPE")(function)


def overrides(bare: tuple[str, ...], settings: tuple[str, ...]) -> tuple[str, ...]:
    """What the command line sets: the options first, then the bare ones, each in its order."""
    return (*settings, *bare)

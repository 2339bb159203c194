"""Options that several commands share: the home folder, a recipe with its overrides, JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_HOME = Path(".stillhouse")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, nothing else."
)
"""Gives a command ``as_json: bool``."""


def home_option(function: F) -> F:
    """Gives a command or a group ``home: Path``, absolute.

    It may stand before the command's name and after it; the last one given is used.
    """
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="STILLHOUSE_HOME",
        show_envvar=True,
        callback=_last_home,
        help="Where stages, answers, runs and MLflow's database are stored (default: .stillhouse).",
    )(function)


def _last_home(context: click.Context, option: click.Parameter, value: Path | None) -> Path:
    """The command's own option if it is on the command line, else that of the command before."""
    source = context.get_parameter_source(option.name or "")
    if context.obj is None or source is click.core.ParameterSource.COMMANDLINE:
        context.obj = (value or _DEFAULT_HOME).expanduser().absolute()
    home: Path = context.obj
    return home


def recipe_arguments(function: F) -> F:
    """Gives a command ``recipe: Path`` and ``overrides: tuple[str, ...]``.

    The overrides are those of ``--set`` first, then the bare ones, each in its order.
    """

    @functools.wraps(function)
    def with_overrides(*, settings: tuple[str, ...], bare: tuple[str, ...], **others: Any) -> Any:
        return function(overrides=(*settings, *bare), **others)

    wrapped = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="A.B=VALUE",
        help="Set a value of the recipe, as YAML; null removes an entry.",
    )(with_overrides)
    wrapped = click.argument("bare", nargs=-1, metavar="[A.B=VALUE]...")(wrapped)
    path = click.argument("recipe", type=click.Path(path_type=Path), metavar="RECIPE")
    return path(wrapped)  # type: ignore[return-value]

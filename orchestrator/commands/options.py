"""What several commands share: the home folder, a recipe with its overrides, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def print_json(**values: Any) -> None:
    """Prints one object; dataclasses and paths in it become plain values."""
    from pydantic_core import to_jsonable_python

    click.echo(json.dumps(values, default=to_jsonable_python))


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


def home_and_json(function: F) -> F:
    """Gives a command ``home: Path`` as above, and ``as_json: bool``."""
    described = "Print one JSON object, nothing else."
    return home_option(click.option("--json", "as_json", is_flag=True, help=described)(function))


def _last_home(context: click.Context, option: click.Parameter, value: Path | None) -> Path:
    """The command's own option if it is on the command line, else that of the command before."""
    source = context.get_parameter_source(option.name or "")
    if context.obj is None or source is click.core.ParameterSource.COMMANDLINE:
        context.obj = (value or Path(".stillhouse")).expanduser().absolute()
    home: Path = context.obj
    return home


def recipe_arguments(function: F) -> F:
    """Gives a command ``recipe: Path`` and ``overrides: tuple[str, ...]``.

    The overrides are those of ``--set`` first, then the bare ones, each in its order.
    """
    path = click.argument("recipe", type=click.Path(path_type=Path), metavar="RECIPE")
    bare = click.argument(
        "overrides",
        nargs=-1,
        metavar="[A.B=VALUE]...",
        callback=lambda context, _, words: (*context.params.pop("settings"), *words),
    )
    setting = click.option(
        "--set",
        "settings",
        multiple=True,
        is_eager=True,  # Before the bare ones, which take them in.
        metavar="A.B=VALUE",
        help="Set a value of the recipe, as YAML; null removes an entry.",
    )
    return path(bare(setting(function)))

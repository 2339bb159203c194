"""Prints a recipe in full, and problems, with secrets kept out of sight."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from orchestrator.errors import Problem
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.recipe.message_text import Path
from orchestrator.recipe.yaml_values import dump_yaml

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


def printable(loaded: LoadedRecipe) -> dict[str, Any]:
    """The recipe with all its defaults, as plain values that may be shown and logged.

    What came from the environment stands as ``${env:NAME}``, a password in an address as
    ``***``. Settings that were not said and have no value of their own are left out.
    """
    plain = loaded.recipe.model_dump(mode="json", exclude_none=True)
    for path, written in loaded.from_environment.items():
        _put(plain, path, written)
    masked: dict[str, Any] = _mask(plain)
    return masked


def _put(plain: dict[str, Any], path: Path, written: str) -> None:
    at: Any = plain
    for key in path[:-1]:
        at = at[key]
    # The short form `weights: file` is a mapping by now.
    if isinstance(at.get(path[-1]), dict):
        at[path[-1]]["path"] = written
    else:
        at[path[-1]] = written


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask(each) for each in value]
    return _PASSWORD.sub(r"\1***@", value) if isinstance(value, str) else value


def print_recipe(loaded: LoadedRecipe) -> None:
    """The recipe as YAML on standard output, in colour where that is a terminal."""
    text = dump_yaml(printable(loaded))
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(text, "yaml", theme="ansi_dark", background_color="default"))


def print_problems(problems: Iterable[Problem]) -> None:
    """One sentence a line on standard error."""
    for problem in problems:
        click.echo(problem.message, err=True)

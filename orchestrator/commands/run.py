"""The command ``stillhouse run``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.commands.options import home_option, json_option, print_json, recipe_arguments
from orchestrator.errors import RecipeProblems

if TYPE_CHECKING:
    from students.fault_injection import Fault


@click.command("run")
@recipe_arguments
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="Train the student with this many seeds, and compare it with its controls over them.",
)
@home_option
@json_option
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    home: Path,
    repeat: int,
    as_json: bool,
) -> None:
    """Runs RECIPE, except for stages that are stored; the same command resumes a killed run."""
    from rich.console import Console

    from orchestrator.recipe.loading import load_recipe
    from orchestrator.run import run

    name = recipe.stem
    try:
        loaded = load_recipe(recipe, overrides)
        name = loaded.recipe.name
        finished = run(
            loaded,
            home=home,
            repeats=repeat,
            console=Console(stderr=True),
            environment=os.environ,
            fault=_fault(),
        )
    except BaseException as error:
        if as_json:
            outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            if isinstance(error, RecipeProblems) and error.name is not None:
                name = error.name
            print_json(name=name, outcome=outcome, problem=str(error))
        raise
    if as_json:
        print_json(**finished.to_json())
        return
    from orchestrator.report.render_tables import print_report

    print_report(finished.report, repeats=finished.repeats)
    click.echo(f"Page and pictures: {finished.folder}")


def _fault() -> Fault | None:
    """An injected fault, for tests of resuming: ``STILLHOUSE_FAULT=student@37=kill``."""
    from students.fault_injection import parse_fault

    spelled = os.environ.get("STILLHOUSE_FAULT")
    return parse_fault(spelled, os.getpgid(0)) if spelled else None

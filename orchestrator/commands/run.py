"""The command ``stillhouse run``."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from orchestrator.commands.options import home_and_json, print_json, recipe_arguments
from orchestrator.commands.standard_output import work_prints_to_standard_error
from orchestrator.errors import RecipeProblems
from orchestrator.recipe.loading import load_recipe
from orchestrator.report.render_tables import print_report
from orchestrator.run import run, session_of


@click.command("run")
@recipe_arguments
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="Train the student with this many seeds, and compare it with its controls over them.",
)
@home_and_json
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    home: Path,
    repeat: int,
    as_json: bool,
) -> None:
    """Runs RECIPE, except for stages that are stored; the same command resumes a killed run."""
    name = recipe.stem
    try:
        loaded = load_recipe(recipe, overrides)
        name = loaded.recipe.name
        with work_prints_to_standard_error(), session_of(loaded, home) as session:
            finished = run(
                loaded,
                session,
                repeats=repeat,
                console=Console(stderr=True),
                environment=os.environ,
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
    print_report(finished.report, finished.repeats)
    click.echo(f"Page and pictures: {finished.folder}")

"""The command ``stillhouse run``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.commands.options import home_option, json_option, recipe_arguments
from orchestrator.errors import RecipeProblems

if TYPE_CHECKING:
    from orchestrator.results.finished_run import FinishedRun
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
            click.echo(json.dumps(_without_report(name, error)))
        raise
    if as_json:
        click.echo(json.dumps(finished.to_json()))
    else:
        show(finished)


def show(finished: FinishedRun) -> None:
    """Prints the report to standard output."""
    from orchestrator.commands.console import output
    from orchestrator.report.render_terminal import print_report

    console = output()
    print_report(finished.report, console, finished.repeats)
    console.print(f"Page and pictures: {finished.folder}", markup=False, soft_wrap=True)


def _without_report(name: str, error: BaseException) -> dict[str, Any]:
    """What ``--json`` prints of a run that ended early."""
    outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    if isinstance(error, RecipeProblems) and error.name is not None:
        name = error.name
    return {"name": name, "outcome": outcome, "problem": str(error)}


def _fault() -> Fault | None:
    """An injected fault, for tests of resuming: ``STILLHOUSE_FAULT=student@37=kill``."""
    from students.fault_injection import parse_fault

    spelled = os.environ.get("STILLHOUSE_FAULT")
    return parse_fault(spelled, os.getpgid(0)) if spelled else None

"""The command ``stillhouse run``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import Settings
from orchestrator.commands.recipe_arguments import overrides, recipe_arguments

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.report.repeats import RepeatReport
    from orchestrator.run import FinishedRun
    from students.fault_injection import Fault


@click.command("run")
@recipe_arguments
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="Teach the student with so many seeds, and compare it with its controls over them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
@click.pass_obj
def command(
    settings_of_all: Settings,
    recipe: Path,
    bare: tuple[str, ...],
    settings: tuple[str, ...],
    repeat: int,
    as_json: bool,
) -> None:
    """Runs RECIPE, or what is left of it: the same command goes on with a killed run."""
    from rich.console import Console

    from orchestrator.recipe.loading import load_recipe
    from orchestrator.run import run

    try:
        loaded = load_recipe(recipe, overrides(bare, settings))
        finished = run(
            loaded,
            home=settings_of_all.home,
            repeats=repeat,
            console=Console(stderr=True),
            environment=os.environ,
            fault=_fault(),
        )
    except BaseException as error:
        if as_json:
            click.echo(json.dumps(_without_report(recipe, error)))
        raise
    if as_json:
        click.echo(json.dumps(as_object(finished)))
    else:
        show(finished)


def show(finished: FinishedRun) -> None:
    """Prints the report to standard output."""
    from orchestrator.commands.console import output
    from orchestrator.report.render_tables import print_report

    console = output()
    print_report(finished.report, console)
    if finished.repeats is not None:
        show_repeats(finished.repeats, console)
    console.print(f"Page and pictures: {finished.folder}", markup=False, soft_wrap=True)


def show_repeats(repeats: RepeatReport, console: Console) -> None:
    """Prints what several seeds say together."""
    from orchestrator.formatting.table import print_grid
    from orchestrator.report.repeats import repeat_grid, repeat_sentence

    print_grid(repeat_grid(repeats), console)
    console.print(repeat_sentence(repeats), markup=False)


def as_object(finished: FinishedRun) -> dict[str, Any]:
    """What ``--json`` prints of a finished run."""
    plain = finished.report.to_json()
    if finished.repeats is not None:
        plain["repeats"] = finished.repeats.to_json()
        plain["reports"] = [report.to_json() for report in finished.reports]
    return plain


def _without_report(recipe: Path, error: BaseException) -> dict[str, Any]:
    outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    return {"name": recipe.stem, "outcome": outcome, "problem": str(error)}


def _fault() -> Fault | None:
    """A fault on purpose, for tests of resuming: ``STILLHOUSE_FAULT=student@37=kill``."""
    from students.fault_injection import parse_fault

    spelled = os.environ.get("STILLHOUSE_FAULT")
    return parse_fault(spelled, os.getpgid(0)) if spelled else None

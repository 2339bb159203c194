"""The command ``stillhouse search``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from orchestrator.commands.options import home_and_json, print_json, recipe_arguments
from orchestrator.commands.standard_output import work_prints_to_standard_error
from orchestrator.errors import RecipeProblems
from orchestrator.home.study_finder import find_studies
from orchestrator.recipe.loading import load_recipe
from orchestrator.report.render_study import print_study
from orchestrator.run import session_of


@click.command("search")
@recipe_arguments
@click.option(
    "--new",
    is_flag=True,
    help="Begin another study beside one of that name which has another space or recipe.",
)
@home_and_json
def command(
    recipe: Path, overrides: tuple[str, ...], home: Path, *, new: bool, as_json: bool
) -> None:
    """Explores what RECIPE's section `search` names; the same command resumes a killed study."""
    from orchestrator.studies.run_study import run_study

    name, began = recipe.stem, time.time()
    try:
        loaded = load_recipe(recipe, overrides)
        name = loaded.recipe.name
        with work_prints_to_standard_error(), session_of(loaded, home) as session:
            report = run_study(
                loaded, session, new=new, console=Console(stderr=True), environment=os.environ
            )
    except BaseException as error:
        if as_json:
            outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            if isinstance(error, RecipeProblems) and error.name is not None:
                name = error.name
            known = _report_since(began, home, name)
            print_json(**{**known, "name": name, "outcome": outcome, "problem": str(error)})
        raise
    if as_json:
        print_json(**report.to_json())
        return
    print_study(report)
    click.echo(f"Page, pictures and recipes: {home / 'studies' / report.study}")


def _report_since(began: float, home: Path, name: str) -> dict[str, Any]:
    """The report of a study that was broken off, if it had begun."""
    studies, _ = find_studies(home)
    for study in studies:
        if study.report.name == name and study.written >= began:
            return study.report.to_json()
    return {}

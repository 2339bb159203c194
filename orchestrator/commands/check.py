"""The command ``stillhouse check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.commands.options import home_option, json_option, recipe_arguments

if TYPE_CHECKING:
    from orchestrator.errors import Problem
    from orchestrator.recipe.loading import LoadedRecipe


@click.command("check")
@recipe_arguments
@click.option("--deep", is_flag=True, help="Also build the models and look at files and data.")
@click.option(
    "--measure",
    "measured",
    is_flag=True,
    help="Time teachers, student and disk for some seconds, and say what a run will take.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="With --measure: how many seeds the run will have.",
)
@home_option
@json_option
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    home: Path,
    deep: bool,
    measured: bool,
    repeat: int,
    as_json: bool,
) -> None:
    """Judges RECIPE, prints it in full and its plan of stages; starts nothing."""
    from orchestrator.errors import RecipeProblems
    from orchestrator.recipe.loading import load_recipe

    if repeat > 1 and not measured:
        raise click.UsageError("--repeat has no effect without --measure; give both or neither")
    loaded = None
    try:
        loaded = load_recipe(recipe, overrides)
        if deep and (problems := deep_problems(loaded, home)):
            raise RecipeProblems(problems)
        if measured:
            _measure(loaded, home, repeat, as_json)
            return
    except RecipeProblems as found:
        if as_json:
            listed = [vars(problem) for problem in found.problems]
            name = loaded.recipe.name if loaded is not None else found.name or recipe.stem
            click.echo(json.dumps({"outcome": "problems", "name": name, "problems": listed}))
        raise
    if as_json:
        click.echo(json.dumps(_verdict(loaded, home, deep)))
    else:
        _print(loaded, home, deep)


def _measure(loaded: LoadedRecipe, home: Path, repeats: int, as_json: bool) -> None:
    """Measures, tells on standard error what is being timed, and prints what came of it."""
    from orchestrator.commands.console import output
    from orchestrator.profiling.measure import measure
    from orchestrator.profiling.measured_table import print_measured

    def say(what: str) -> None:
        click.echo(f"{what} ...", err=True)

    found = measure(loaded, home=home, repeats=repeats, say=say)
    if as_json:
        click.echo(json.dumps({"outcome": "done", "problems": [], **found.to_json()}))
    else:
        print_measured(found, output())


def deep_problems(loaded: LoadedRecipe, home: Path) -> list[Problem]:
    """What only files, models and data can tell."""
    from orchestrator.recipe.files import missing_files

    missing = missing_files(loaded)
    if missing:
        return missing
    from orchestrator.deep_check.deep_check import deep_problems as probe

    return list(probe(loaded, home))


def not_looked_at(loaded: LoadedRecipe) -> list[str]:
    """What a static check leaves to ``--deep``, in sentences."""
    from orchestrator.recipe.files import missing_files

    kind = loaded.recipe.transfer_set.kind
    rest = [
        f"the data of {kind}, and its classes",
        "whether the models can be built, and whether layers named in terms exist and fit",
        "what is in files of weights and of code",
    ]
    return rest + [problem.message for problem in missing_files(loaded)]


def remarks_on(loaded: LoadedRecipe) -> list[str]:
    """What the recipe's author should know of it, in sentences."""
    from orchestrator.recipe.advice import remarks

    return list(remarks(loaded.recipe))


def _print(loaded: LoadedRecipe, home: Path, deep: bool) -> None:
    from orchestrator.commands.plan_table import print_plan
    from orchestrator.recipe.printing import print_recipe

    print_recipe(loaded)
    click.echo()
    print_plan(loaded, home)
    _list("To remark:", remarks_on(loaded))
    if not deep:
        title = "Not looked at (check --deep does, and every run before it starts):"
        _list(title, not_looked_at(loaded))


def _list(title: str, sentences: list[str]) -> None:
    if sentences:
        click.echo(f"\n{title}")
    for each in sentences:
        click.echo(f"- {each}")


def _verdict(loaded: LoadedRecipe, home: Path, deep: bool) -> dict[str, Any]:
    from orchestrator.commands.plan_table import plan_rows
    from orchestrator.recipe.printing import printable

    return {
        "outcome": "done",
        "name": loaded.recipe.name,
        "problems": [],
        "remarks": remarks_on(loaded),
        "recipe": printable(loaded),
        "stages": list(plan_rows(loaded, home)),
        "not_looked_at": [] if deep else not_looked_at(loaded),
    }

"""The command ``stillhouse check``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from orchestrator.commands.options import home_option, json_option, print_json, recipe_arguments
from orchestrator.commands.plan_table import plan_rows, print_plan
from orchestrator.errors import RecipeProblems
from orchestrator.recipe.advice import notes
from orchestrator.recipe.files import missing_files
from orchestrator.recipe.loading import LoadedRecipe, load_recipe
from orchestrator.recipe.printing import printable
from orchestrator.recipe.yaml_values import dump_yaml


@click.command("check")
@recipe_arguments
@click.option("--deep", is_flag=True, help="Also build the models and read files and data.")
@click.option(
    "--measure",
    "measured",
    is_flag=True,
    help="Run each stage for a few seconds, and estimate what the whole run will take.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="With --measure: the number of seeds of the run.",
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
    if repeat > 1 and not measured:
        raise click.UsageError("--repeat has no effect without --measure; give both or neither")
    loaded = None
    try:
        loaded = load_recipe(recipe, overrides)
        if deep:
            _check_deeply(loaded, home)
        if measured:
            _measure(loaded, home, repeat, as_json)
            return
    except RecipeProblems as found:
        if as_json:
            name = loaded.recipe.name if loaded is not None else found.name or recipe.stem
            print_json(outcome="problems", name=name, problems=found.problems)
        raise
    if as_json:
        _print_object(loaded, home, deep)
    else:
        _print(loaded, home, deep)


def _check_deeply(loaded: LoadedRecipe, home: Path) -> None:
    from orchestrator.deep_check.deep_check import deep_check

    if problems := deep_check(loaded, home / "cache").problems:
        raise RecipeProblems(problems)


def _measure(loaded: LoadedRecipe, home: Path, repeats: int, as_json: bool) -> None:
    """Measures, with progress on standard error, and prints the predictions."""
    from orchestrator.profiling.measure import measure
    from orchestrator.profiling.measured_table import print_measured

    def say(what: str) -> None:
        click.echo(f"{what} ...", err=True)

    found = measure(loaded, home=home, repeats=repeats, say=say)
    if as_json:
        print_json(outcome="done", problems=[], **found.to_json())
    else:
        print_measured(found)


def _print_object(loaded: LoadedRecipe, home: Path, deep: bool) -> None:
    print_json(
        outcome="done",
        name=loaded.recipe.name,
        problems=[],
        notes=notes(loaded.recipe),
        recipe=printable(loaded),
        stages=plan_rows(loaded, home),
        not_checked=[] if deep else _unchecked(loaded),
    )


def _print(loaded: LoadedRecipe, home: Path, deep: bool) -> None:
    """Prints the recipe as YAML, in colour on a terminal, its plan, and notes."""
    text = dump_yaml(printable(loaded))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, "yaml", theme="ansi_dark", background_color="default"))
    else:
        click.echo(text, nl=False)
    click.echo()
    print_plan(loaded, home)
    _print_list("Notes:", notes(loaded.recipe))
    if not deep:
        title = "Not checked (check --deep and the start of every run do that):"
        _print_list(title, _unchecked(loaded))


def _print_list(title: str, sentences: tuple[str, ...]) -> None:
    if sentences:
        click.echo(f"\n{title}")
    for each in sentences:
        click.echo(f"- {each}")


def _unchecked(loaded: LoadedRecipe) -> tuple[str, ...]:
    """What only the deep check examines, in sentences."""
    return (
        f"the data of {loaded.recipe.transfer_set.kind}, and its classes",
        "whether the models can be built, and whether the layers that terms name exist and fit",
        "the contents of files of weights and of code",
        *(problem.message for problem in missing_files(loaded)),
    )

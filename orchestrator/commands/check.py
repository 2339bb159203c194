"""The command ``stillhouse check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.commands.options import home_and_json, print_json, recipe_arguments
from orchestrator.commands.standard_output import work_prints_to_standard_error
from orchestrator.errors import RecipeProblems
from orchestrator.formatting import Grid, counted, print_grid
from orchestrator.home.store import Store
from orchestrator.planning.graph import Choice, Graph, Node
from orchestrator.planning.planner import make_plan, stage_names
from orchestrator.planning.trials import read_search
from orchestrator.recipe.advice import notes
from orchestrator.recipe.files import class_count, missing_files
from orchestrator.recipe.loading import LoadedRecipe, load_recipe, printable
from orchestrator.recipe.yaml_values import dump_yaml
from students.config import TrainConfig
from students.errors import UserError

_STORED = {True: "yes", False: "no", None: "not known"}


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
@home_and_json
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    home: Path,
    deep: bool,
    measured: bool,
    repeat: int,
    as_json: bool,
) -> None:
    """Checks RECIPE, prints it in full and its plan of stages; starts nothing."""
    if repeat > 1 and not measured:
        raise click.UsageError("--repeat has no effect without --measure; give both or neither")
    loaded: LoadedRecipe | None = None
    found: tuple[str, ...] = ()
    try:
        loaded = load_recipe(recipe, overrides)
        classes = class_count(loaded)
        if loaded.recipe.search is not None:
            found = read_search(loaded).notes
        if deep:
            from orchestrator.deep_check.deep_check import deep_check

            with work_prints_to_standard_error():
                checked = deep_check(loaded, home / "cache")
            if checked.problems:
                raise RecipeProblems(checked.problems)
            found += tuple(checked.notes)
            if checked.transfer_set is not None:
                classes = checked.transfer_set.classes
        if measured:
            _measure(loaded, home, repeat, as_json)
            return
    except RecipeProblems as wrong:
        if as_json:
            name = loaded.recipe.name if loaded is not None else wrong.name or recipe.stem
            print_json(outcome="problems", name=name, problems=wrong.problems)
        raise
    said = (*notes(loaded.recipe, classes), *found)
    if as_json:
        print_json(
            outcome="done",
            name=loaded.recipe.name,
            problems=[],
            notes=said,
            recipe=printable(loaded),
            stages=plan_rows(loaded, home),
            not_checked=[] if deep else _unchecked(loaded),
        )
    else:
        _print(loaded, home, deep, said)


def _measure(loaded: LoadedRecipe, home: Path, repeats: int, as_json: bool) -> None:
    from orchestrator.deep_check.deep_check import checked_plan
    from orchestrator.profiling.measure import measure
    from orchestrator.profiling.measured_table import print_measured

    store = Store(home)
    store.prepare()
    with work_prints_to_standard_error():
        graph, transfer_set = checked_plan(loaded, store, repeats=repeats)
        found = measure(
            graph,
            transfer_set,
            store,
            loaded.recipe.cluster,
            say=lambda what: click.echo(f"{what} ...", err=True),
        )
    if as_json:
        print_json(outcome="done", problems=[], **found.to_json())
    else:
        print_measured(found)


def _print(loaded: LoadedRecipe, home: Path, deep: bool, said: tuple[str, ...]) -> None:
    text = dump_yaml(printable(loaded))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, "yaml", theme="ansi_dark", background_color="default"))
    else:
        click.echo(text, nl=False)
    click.echo()
    print_plan(loaded, home)
    _print_list("Notes:", said)
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
        *missing_files(loaded),
    )


def print_plan(loaded: LoadedRecipe, home: Path) -> None:
    """Prints the plan of ``loaded`` to standard output."""
    rows = plan_rows(loaded, home)
    cells = tuple(
        (
            row["name"],
            row["does"],
            ", ".join(row["teachers"]),
            (row["digest"] or "not known")[:12],
            _STORED[row["stored"]],
        )
        for row in rows
    )
    headers = ("stage", "does", "taught by", "digest", "stored")
    print_grid(Grid(f"Plan of {loaded.recipe.name}", headers, cells, words=len(headers)))
    if reason := rows[0]["reason"]:
        click.echo(f"Digests are not known yet: {reason}")


def plan_rows(loaded: LoadedRecipe, home: Path) -> list[dict[str, Any]]:
    """One row for each node, in plain values; no digests where the data are missing."""
    store = Store(home)
    try:
        graph = make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache)
    except (UserError, RecipeProblems, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError):  # A file is absent.
            reason = next(missing_files(loaded), reason)
        return [
            {
                "name": name,
                "does": "",
                "teachers": list(teachers),
                "digest": None,
                "stored": None,
                "reason": reason,
            }
            for name, teachers in stage_names(loaded.recipe)
        ]
    graph, rows = store.grown(graph), []
    for node in graph.nodes:
        teachers = [] if isinstance(node, Choice) else [ref.title for ref in node.teachers]
        stored = store.has_result(node)
        rows.append(_row(node.title, _describe(node, graph), teachers, node.digest, stored))
        if node in graph.undecided:
            does = f"depends on {node.title}"
            rows += [_row(title, does, [], None, False) for title in node.follows]
    return rows


def _row(
    name: str, does: str, teachers: list[str], digest: str | None, stored: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "does": does,
        "teachers": teachers,
        "digest": digest,
        "stored": stored,
        "reason": "",
    }


def _describe(node: Node, graph: Graph) -> str:
    """What a node does, in a few words: ``trains mlp, 15 epochs``."""
    if isinstance(node, Choice):
        decision = graph.decisions.get(node.title)
        options = f": {node.range}" if node.options else ""
        return f"undecided{options}" if decision is None else f"has chosen {decision.chosen}"
    if node.evaluates is not None:
        return f"loads and evaluates {node.evaluates.model.kind}"
    verb = "teaches" if node.teachers else "trains"
    return ", ".join(
        f"{verb} {spec.model.kind}, {_epochs_of(spec.train)}"
        + (f", {counted(len(spec.frozen), 'layer')} frozen" if spec.frozen else "")
        for spec in node.cohort
    )


def _epochs_of(train: TrainConfig) -> str:
    """``15 epochs``, or ``5 of 15 epochs`` where training ends early."""
    early = f"{train.last_epoch} of " if train.last_epoch < train.epochs else ""
    return early + counted(train.epochs, "epoch")

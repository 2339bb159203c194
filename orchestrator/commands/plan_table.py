"""A plan as a table: each stage, its digest, and whether its outcome is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.commands.console import output
from orchestrator.errors import RecipeProblems
from orchestrator.formatting.table import Grid, print_grid
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage, make_plan
from students.errors import UserError

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe

_STORED = {True: "yes", False: "no", None: "not known"}


def print_plan(loaded: LoadedRecipe, home: Path, repeats: int = 1) -> None:
    """Prints the plan of ``loaded`` to standard output."""
    rows = list(plan_rows(loaded, home, repeats))
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
    title = f"Plan of {loaded.recipe.name}"
    console = output()
    headers = ("stage", "does", "taught by", "digest", "stored")
    print_grid(Grid(title, headers, cells, words=len(headers)), console)
    for reason in sorted({row["reason"] for row in rows if row["reason"]}):
        console.print(f"Digests are not known yet: {reason}", markup=False, soft_wrap=True)


def plan_rows(loaded: LoadedRecipe, home: Path, repeats: int = 1) -> Iterator[dict[str, Any]]:
    """One row for each stage, in plain values; no digests where the data are missing."""
    store = Store(home)
    try:
        plan = make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache, repeats=repeats)
    except (UserError, RecipeProblems, OSError) as error:
        yield from _unknown(loaded, str(error))
        return
    for stage in plan.stages:
        yield {
            "name": stage.title,
            "does": does(stage, plan),
            "teachers": list(stage.teachers),
            "digest": stage.digest,
            "stored": (store.folder(stage.digest) / "outcome").is_dir(),
            "reason": "",
        }


def _unknown(loaded: LoadedRecipe, reason: str) -> Iterator[dict[str, Any]]:
    recipe = loaded.recipe
    names = [*(f"teachers.{name}" for name in recipe.teachers), "student"]
    names += [f"controls.{control}" for control in recipe.controls]
    for name in names:
        yield {
            "name": name,
            "does": "",
            "teachers": list(recipe.teachers) if name == "student" else [],
            "digest": None,
            "stored": None,
            "reason": reason,
        }


def does(stage: Stage, plan: Plan) -> str:
    """What a stage does, in a few words: ``trains mlp, 15 epochs``."""
    if stage.kind == "examine":
        name = stage.name.removeprefix("teachers.")
        return f"loads and evaluates {plan.recipe.teachers[name].model.kind}"
    spec = stage.cohort[0]
    epochs = "1 epoch" if spec.train.epochs == 1 else f"{spec.train.epochs} epochs"
    verb = "teaches" if stage.teachers else "trains"
    return f"{verb} {spec.model.kind}, {epochs}"

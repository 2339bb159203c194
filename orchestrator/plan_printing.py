"""Prints a plan: each stage, its digest, and whether its outcome is stored already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from orchestrator.errors import RecipeProblems
from orchestrator.plan import Plan, Stage, make_plan
from orchestrator.store import Store
from students.errors import StudentError

if TYPE_CHECKING:
    from orchestrator.loading import LoadedRecipe


def print_plan(loaded: LoadedRecipe, home: Path, repeats: int = 1) -> None:
    """Prints the plan of ``loaded`` to standard output."""
    table = Table(title=f"Plan of {loaded.recipe.name}", title_justify="left")
    for column in ("stage", "does", "taught by", "digest", "stored"):
        table.add_column(column, overflow="fold")
    rows = list(plan_rows(loaded, home, repeats))
    for row in rows:
        stored = {True: "yes", False: "no", None: "not known"}[row["stored"]]
        digest = (row["digest"] or "not known")[:12]
        table.add_row(row["name"], row["does"], ", ".join(row["teachers"]), digest, stored)
    Console().print(table)
    reasons = {row["reason"] for row in rows if row["reason"]}
    for reason in sorted(reasons):
        Console().print(f"Digests are not known: {reason}", highlight=False, soft_wrap=True)


def plan_rows(loaded: LoadedRecipe, home: Path, repeats: int = 1) -> Iterator[dict[str, Any]]:
    """One plain row for each stage; without digests where the data are not there yet."""
    store = Store(home)
    try:
        plan = make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache, repeats=repeats)
    except (StudentError, RecipeProblems, OSError) as error:
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
        return f"loads and examines {plan.recipe.teachers[name].model.kind}"
    pupil = stage.cohort[0]
    epochs = "1 epoch" if pupil.train.epochs == 1 else f"{pupil.train.epochs} epochs"
    verb = "teaches" if stage.teachers else "trains"
    return f"{verb} {pupil.model.kind}, {epochs}"

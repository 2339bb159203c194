"""A plan as a table: each stage, its digest, and whether its outcome is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.errors import RecipeProblems
from orchestrator.formatting.table import Grid, print_grid
from orchestrator.formatting.units import counted
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage, make_plan
from orchestrator.recipe.loading import LoadedRecipe
from students.errors import UserError

_STORED = {True: "yes", False: "no", None: "not known"}


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
    """One row for each stage, in plain values; no digests where the data are missing."""
    recipe, store = loaded.recipe, Store(home)
    try:
        plan = make_plan(recipe, folder=loaded.folder, cache=store.cache)
    except (UserError, RecipeProblems, OSError) as error:
        names = [f"teachers.{name}" for name in recipe.teachers]
        controls = [f"controls.{control}" for control in recipe.controls]
        return [
            {
                "name": name,
                "does": "",
                "teachers": list(recipe.teachers) if name == "student" else [],
                "digest": None,
                "stored": None,
                "reason": str(error),
            }
            for name in (*names, "student", *controls)
        ]
    return [
        {
            "name": stage.title,
            "does": _does(stage, plan),
            "teachers": list(stage.teachers),
            "digest": stage.digest,
            "stored": (store.folder(stage.digest) / "outcome").is_dir(),
            "reason": "",
        }
        for stage in plan.stages
    ]


def _does(stage: Stage, plan: Plan) -> str:
    """What a stage does, in a few words: ``trains mlp, 15 epochs``."""
    if stage.kind == "examine":
        name = stage.name.removeprefix("teachers.")
        return f"loads and evaluates {plan.recipe.teachers[name].model.kind}"
    spec = stage.cohort[0]
    verb = "teaches" if stage.teachers else "trains"
    return f"{verb} {spec.model.kind}, {counted(spec.train.epochs, 'epoch')}"

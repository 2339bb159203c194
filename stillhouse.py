"""The public Python interface: distil several teachers into one small student.

import stillhouse

recipe = stillhouse.load_recipe("recipes/digits.yaml", ["student.train.epochs=5"])
problems = stillhouse.check(recipe)
report = stillhouse.run(recipe).report
print(report.student.test.accuracy)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import Problem, RecipeProblems
from orchestrator.execution.session import Session
from orchestrator.recipe.loading import LoadedRecipe

if TYPE_CHECKING:
    from orchestrator.planning.graph import Graph
    from orchestrator.results.finished_run import FinishedRun

__all__ = [
    "LoadedRecipe",
    "Problem",
    "RecipeProblems",
    "Session",
    "check",
    "load_recipe",
    "plan",
    "run",
]

HOME = Path(".stillhouse")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads and checks the recipe at ``path``; ``overrides`` are ``a.b=value``, as YAML.

    Raises:
        RecipeProblems: with everything that is wrong, each at its place.
    """
    from orchestrator.recipe.loading import load_recipe as load

    return load(path, overrides)


def check(recipe: LoadedRecipe, *, home: str | Path = HOME) -> list[Problem]:
    """The problems that only data, models and files can show; empty if there are none."""
    from orchestrator.deep_check.deep_check import deep_check

    return deep_check(recipe, Path(home).absolute() / "cache").problems


def run(
    recipe: LoadedRecipe,
    *,
    home: str | Path = HOME,
    repeats: int = 1,
    session: Session | None = None,
) -> FinishedRun:
    """Runs a recipe, or what is left of it, and gives its report.

    Progress is shown on standard error. Call it under ``if __name__ == "__main__":``, as any
    program that starts processes; from several threads at a time, if you like: runs in one home
    share what they have in common. ``session`` keeps processes and data ready between runs.

    Raises:
        RecipeProblems: everything that the deep check found.
        UserError, ClusterError: training cannot go on, or a role was lost.
        KeyboardInterrupt: it was interrupted; the same call continues.
    """
    from contextlib import nullcontext

    from rich.console import Console

    from orchestrator.run import run as run_recipe
    from orchestrator.run import session_of

    own = session_of(recipe, Path(home).absolute()) if session is None else nullcontext(session)
    with own as used:
        return run_recipe(
            recipe, used, repeats=repeats, console=Console(stderr=True), environment=os.environ
        )


def plan(recipe: LoadedRecipe, session: Session, *, repeats: int = 1) -> Graph:
    """The stages of a recipe, deeply checked, for ``session.submit``.

    Raises:
        RecipeProblems: everything that the deep check found.
    """
    from orchestrator.deep_check.deep_check import checked_plan

    graph, transfer_set = checked_plan(recipe, session.store, repeats=repeats)
    session.keep(transfer_set)
    return graph

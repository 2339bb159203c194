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
from orchestrator.recipe.loading import LoadedRecipe

if TYPE_CHECKING:
    from orchestrator.results.finished_run import FinishedRun

__all__ = ["LoadedRecipe", "Problem", "RecipeProblems", "check", "load_recipe", "run"]

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


def run(recipe: LoadedRecipe, *, home: str | Path = HOME, repeats: int = 1) -> FinishedRun:
    """Runs a recipe, or what is left of it, and gives its report.

    Progress is shown on standard error. Call it under ``if __name__ == "__main__":``, as any
    program that starts processes.

    Raises:
        RecipeProblems: everything that the deep check found.
        UserError, ClusterError: training cannot go on, or a role was lost.
        KeyboardInterrupt: it was interrupted; the same call continues.
    """
    from rich.console import Console

    from orchestrator.run import run as run_recipe

    return run_recipe(
        recipe,
        home=Path(home).absolute(),
        repeats=repeats,
        console=Console(stderr=True),
        environment=os.environ,
    )

"""The public Python interface: distil several teachers into one small student.

import stillhouse

recipe = stillhouse.load_recipe("recipes/digits.yaml", ["student.train.epochs=5"])
problems = stillhouse.check(recipe)
report = stillhouse.run(recipe).report
print(report.student.test.accuracy)
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.errors import Problem, RecipeProblems
    from orchestrator.execution.session import Session
    from orchestrator.planning.graph import Graph
    from orchestrator.recipe.loading import LoadedRecipe
    from orchestrator.results.finished_run import FinishedRun
    from orchestrator.results.study_report import StudyReport

__all__ = [
    "LoadedRecipe",
    "Problem",
    "RecipeProblems",
    "Session",
    "check",
    "load_recipe",
    "main",
    "plan",
    "run",
    "search",
]

_EXPORTED = {
    "LoadedRecipe": "orchestrator.recipe.loading",
    "Problem": "orchestrator.errors",
    "RecipeProblems": "orchestrator.errors",
    "Session": "orchestrator.execution.session",
}


def _import_own_package(name: str) -> None:
    """Imports our package ``name`` from beside this file, whatever else of that name ``sys.path``
    has before it: a ``cluster.py`` in the working directory, say, or on ``PYTHONPATH``.

    Raises:
        ImportError: another module of that name was imported before.
    """
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
    if str(folder / name) not in map(os.path.realpath, getattr(module, "__path__", ())):
        raise ImportError(
            f"'{getattr(module, '__file__', None) or name}' was imported as `{name}`, a name that "
            "stillhouse needs for a package of its own; rename that file, or import stillhouse "
            "before it"
        )


_import_own_package("cluster")
from cluster.own_packages import OWN_PACKAGES, files_in_the_way  # noqa: E402

for _name in OWN_PACKAGES:
    _import_own_package(_name)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTED:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_EXPORTED[name]), name)


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


def search(
    recipe: LoadedRecipe,
    *,
    home: str | Path = HOME,
    session: Session | None = None,
    new: bool = False,
) -> StudyReport:
    """Explores what the recipe's section ``search`` names, or what is left of it: trains trials,
    trains the winners again on fresh seeds, and gives the report of the study.

    Progress is shown on standard error. Call it under ``if __name__ == "__main__":``, as any
    program that starts processes. ``session`` keeps processes and data ready between studies and
    runs. ``new`` begins another study beside one of that name which asks something else.

    Raises:
        RecipeProblems: the recipe's problems, or those of its space.
        StudyError: the study cannot be opened, or its trials fail with one cause.
        UserError, ClusterError: training cannot go on, or a role was lost.
        KeyboardInterrupt: it was interrupted; the same call continues.
    """
    from contextlib import nullcontext

    from rich.console import Console

    from orchestrator.run import session_of
    from orchestrator.studies.run_study import run_study

    own = session_of(recipe, Path(home).absolute()) if session is None else nullcontext(session)
    with own as used:
        return run_study(
            recipe, used, new=new, console=Console(stderr=True), environment=os.environ
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


def main() -> None:
    """Runs the command line."""
    for file in files_in_the_way(sys.path):
        sys.stderr.write(
            f"'{file}' would be imported in place of the library `{file.stem}`, which stillhouse "
            "needs; rename that file, or take its folder out of `PYTHONPATH`\n"
        )
        sys.exit(2)
    from orchestrator.cli import main as command_line
    from orchestrator.commands.standard_output import end_standard_output

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # It has an encoding, maybe one of few characters.
            stream.reconfigure(errors="backslashreplace")
    try:
        command_line(prog_name="stillhouse")
    finally:
        end_standard_output()


if __name__ == "__main__":
    main()

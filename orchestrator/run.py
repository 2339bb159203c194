"""Runs a recipe: reads back what is finished already, else runs its graph in a session."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.complete_run import read_complete
from orchestrator.execution.session import Session, open_session
from orchestrator.execution.signals import interruptible
from orchestrator.planning.graph import Graph
from orchestrator.planning.planner import make_plan
from orchestrator.results.finished_run import FinishedRun
from students.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.home.store import Store
    from orchestrator.recipe.loading import LoadedRecipe


def run(
    loaded: LoadedRecipe,
    session: Session,
    *,
    repeats: int = 1,
    console: Console,
    environment: Mapping[str, str],
) -> FinishedRun:
    """Runs a recipe in ``session``, or what is left of it.

    ``repeats``: how many seeds the student is taught with; ``environment``: where a tracker's
    address is looked for, if the recipe gives none.

    Raises:
        RecipeProblems: everything that the deep check found.
        KeyboardInterrupt: it was interrupted; all is stopped, and the last commits stand.
    """
    began, store = time.monotonic(), session.store
    graph = _plan_without_torch(loaded, store, repeats)
    finished = None if graph is None else read_complete(loaded, graph, store, environment)
    if finished is not None:
        for stage in finished.report.stages:
            console.print(
                f"{stage.name}: stored already", highlight=False, markup=False, soft_wrap=True
            )
        return finished
    store.prepare()
    if graph is not None:
        stored = [bool(store.finished(stage)) for stage in graph.stages]
        if any(stored) and (graph.undecided or not all(stored)):
            # The recipe has passed the deep check before: no runtime is started in vain.
            session.begin(graph)
    # Imports torch and more, which takes seconds; a runtime starts meanwhile.
    from orchestrator.run_graph import run_graph

    return run_graph(
        loaded, session, began=began, repeats=repeats, console=console, environment=environment
    )


@contextmanager
def session_of(loaded: LoadedRecipe, home: Path) -> Iterator[Session]:
    """The session in which a recipe is run that is not given one; signals interrupt it."""
    with interruptible(), open_session(home, loaded.recipe.cluster) as session:
        yield session


def _plan_without_torch(loaded: LoadedRecipe, store: Store, repeats: int) -> Graph | None:
    """The graph, as far as it is decided, where it can be made without loading data; whatever is
    wrong is found later."""
    try:
        recipe, folder = loaded.recipe, loaded.folder
        return store.grown(make_plan(recipe, folder=folder, cache=store.cache, repeats=repeats))
    except (OSError, UserError):
        return None

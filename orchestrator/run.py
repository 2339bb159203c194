"""Runs a recipe: reads back what is finished already, else starts processes and runs its plan."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.complete_run import read_complete
from orchestrator.execution.signals import interruptible
from orchestrator.home.store import Store, StoredStage
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.results.finished_run import FinishedRun
from orchestrator.runtime_start import RuntimeStart
from students.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.recipe.loading import LoadedRecipe
    from students.fault_injection import Fault


def run(
    loaded: LoadedRecipe,
    *,
    home: Path,
    repeats: int = 1,
    console: Console,
    environment: Mapping[str, str],
    fault: Fault | None = None,
) -> FinishedRun:
    """Runs a recipe, or what is left of it.

    ``repeats``: how many seeds the student is taught with; ``environment``: where a tracker's
    address is looked for, if the recipe gives none; ``fault`` ends the driver at a named step, for
    tests of resuming.

    Raises:
        RecipeProblems: everything that the deep check found.
        KeyboardInterrupt: it was interrupted; all is stopped, and the last commits stand.
    """
    began = time.monotonic()
    store = Store(home)
    plan = _plan_without_torch(loaded, store, repeats)
    finished = None if plan is None else read_complete(loaded, plan, store, environment)
    if finished is not None:
        for stage in finished.report.stages:
            console.print(
                f"{stage.name}: stored already", highlight=False, markup=False, soft_wrap=True
            )
        return finished
    store.prepare()
    with interruptible(), closing(RuntimeStart(store)) as runtime_start:
        if plan is not None:
            stored = {StoredStage(store.folder(stage.digest)).finished for stage in plan.stages}
            if stored == {True, False}:
                # The recipe has passed the deep check before: no runtime is started in vain.
                runtime_start.begin(plan)
        # Imports torch and more, which takes seconds; a runtime starts meanwhile.
        from orchestrator.run_plan import run_plan

        return run_plan(
            loaded,
            store,
            runtime_start,
            began=began,
            repeats=repeats,
            console=console,
            environment=environment,
            fault=fault,
        )


def _plan_without_torch(loaded: LoadedRecipe, store: Store, repeats: int) -> Plan | None:
    """The plan, where it can be made without loading the data; whatever is wrong is found later."""
    try:
        return make_plan(loaded.recipe, folder=loaded.folder, cache=store.cache, repeats=repeats)
    except (OSError, UserError):
        return None

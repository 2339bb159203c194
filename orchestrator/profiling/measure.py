"""Measures what a run of a recipe will take: problems first, then the measurement, then its record.

Waits for another measurement in the same home (freed by its end), and as a run does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cluster.catalog import build_runtime
from orchestrator.deep_check.deep_check import checked_plan
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.execution.signals import interruptible
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.planning.thread_allocation import logical_cpus
from orchestrator.profiling.bench import Bench, scratch_home
from orchestrator.profiling.measured_plan import MeasuredPlan
from orchestrator.profiling.plan_timing import measured_plan
from orchestrator.results.finished_run import write_json
from orchestrator.results.teaching_report import MEASURED

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe

SECONDS = 2.0
"""Of steps of each stage, and of answers of each teacher."""


def measure(
    loaded: LoadedRecipe,
    *,
    home: Path,
    repeats: int = 1,
    say: Callable[[str], None],
    seconds: float = SECONDS,
) -> MeasuredPlan:
    """Measures what a run of ``loaded`` will take, and stores that where the run's report looks.

    Each stage is run on the recipe's own cluster, for ``seconds`` of steps; ``say`` gets a line
    about each.

    Raises:
        RecipeProblems: what the deep check found, or a GPU that is not here.
        UserError, ClusterError: as of a run.
    """
    store = Store(home)
    store.prepare()
    checked = checked_plan(loaded, store, repeats=repeats)
    plan, cores = checked.plan, os.cpu_count() or 1
    if without := list(_without_gpus(plan)):
        raise RecipeProblems(without)
    began = time.monotonic()
    with interruptible(), scratch_home(store) as scratch:
        runtime = build_runtime(
            plan.recipe.cluster, cpus=logical_cpus(plan, cores), home=store.home
        )
        start_seconds = time.monotonic() - began
        with closing(runtime):
            measured = measured_plan(Bench(checked, store, scratch, runtime, cores, seconds, say))
    measured = replace(
        measured,
        seconds=measured.seconds + (start_seconds if measured.stages else 0.0),
        measuring_seconds=time.monotonic() - began,
    )
    if measured.stages:  # else the run has been compared with what was predicted before it
        folder = store.runs / plan.run_name
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MEASURED, measured.to_json())
    return measured


def _without_gpus(plan: Plan) -> Iterator[Problem]:
    """Roles that compute on a GPU cannot be timed where there is none."""
    if torch.cuda.is_available():
        return
    asked = {f"teachers.{name}": each.resources for name, each in plan.recipe.teachers.items()}
    for place, resources in {**asked, "student": plan.recipe.student.resources}.items():
        if resources.gpus:
            yield Problem(
                f"{place}.resources.gpus",
                f"`{place}.resources.gpus` is {resources.gpus:g}, but this machine has no GPU to "
                "measure on; measure where it runs, or set it to 0",
            )

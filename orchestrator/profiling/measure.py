"""Times the roles of a recipe in this process for some seconds, and says what its run will take.

Each role computes on the threads that a run would give it, one role after the other; what they
do together is arithmetic (``prediction``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from filelock import FileLock

from orchestrator.deep_check.checked_plan import judged_plan
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.home.cleaning import MEASURING
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from orchestrator.profiling.assumptions import assumptions
from orchestrator.profiling.measured_plan import MeasuredPlan, keep
from orchestrator.profiling.roles_timing import Measured, RolesTiming
from orchestrator.profiling.stage_estimate import Expectation, Extent
from orchestrator.profiling.throughput_model import whole
from orchestrator.profiling.workload import extents

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe


TURN_SECONDS = 0.4


def measure(
    loaded: LoadedRecipe,
    *,
    home: Path,
    repeats: int = 1,
    say: Callable[[str], None],
    turn_seconds: float = TURN_SECONDS,
) -> MeasuredPlan:
    """Measures what a run of ``loaded`` will take, and keeps it where the run's report looks.

    ``say`` is told what is being timed. With the default turns it takes some 15 seconds.

    Raises:
        RecipeProblems: what the deep check found, or a GPU that is not here.
    """
    store = Store(home)
    store.prepare()
    judged = judged_plan(loaded, store, repeats=repeats)
    plan, transfer_set = judged.plan, judged.transfer_set
    if without := list(_without_gpus(plan)):
        raise RecipeProblems(without)
    work = store.cache / MEASURING
    work.mkdir(parents=True, exist_ok=True)
    # Two measurements at once would measure each other.
    with FileLock(f"{work}.lock"), TemporaryDirectory(dir=work) as scratch:
        began, cores = time.monotonic(), os.cpu_count() or 1
        role_specs = RoleSpecs(plan, store, judged.probed.hint_shapes)
        timing = RolesTiming(role_specs, transfer_set, Path(scratch), cores, say, turn_seconds)
        measured = timing.measured()
    plan_measured = _put_together(
        plan, measured, extents(plan, transfer_set), time.monotonic() - began
    )
    keep(plan_measured, store.runs / plan.run_name)
    return plan_measured


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


def _put_together(
    plan: Plan, measured: Measured, extents: Mapping[str, Extent], seconds: float
) -> MeasuredPlan:
    parts, student = measured.parts, plan.stage("student")
    left = [stage for stage in plan.stages if stage.digest not in measured.stored]
    expected = list(Expectation(parts, extents, measured.views).of(left))
    return MeasuredPlan(
        name=plan.recipe.name,
        recipe_digest=plan.digest,
        cores=parts.cores,
        measuring_seconds=seconds,
        student_threads=parts.specs["student"].threads,
        student_rate=parts.specs["student"].rate,
        untaught_rate=parts.specs["controls.untaught"].rate,
        teachers=measured.teachers,
        speeds=parts.speeds(student.teachers) if student.teachers else None,
        bank=measured.bank,
        stages=tuple(stage for stage, _ in expected),
        seconds=whole([work for _, work in expected], parts.cores, parallel=parts.parallel),
        assumed=assumptions(parts, measured.teachers),
    )

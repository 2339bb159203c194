"""Plans a recipe once it has passed the deep check: what a run, and a measurement, begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.deep_check.deep_check import Probed, probe_recipe
from orchestrator.errors import RecipeProblems
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.recipe.files import missing_files
from students.transfer_sets.transfer_set import TransferSet

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe


@dataclass(frozen=True)
class JudgedPlan:
    """A plan, and what the deep check loaded and found for it."""

    plan: Plan
    probed: Probed
    transfer_set: TransferSet


def judged_plan(loaded: LoadedRecipe, store: Store, *, repeats: int) -> JudgedPlan:
    """The plan of ``loaded``, whose student is taught with ``repeats`` seeds.

    Raises:
        RecipeProblems: everything that the deep check found.
    """
    if missing := missing_files(loaded):
        raise RecipeProblems(missing)
    recipe, folder = loaded.recipe, loaded.folder
    probed = probe_recipe(recipe, folder=folder, cache=store.cache)
    if probed.problems or probed.transfer_set is None:
        raise RecipeProblems(probed.problems)
    identity = probed.transfer_set.identity
    plan = make_plan(recipe, folder=folder, cache=store.cache, repeats=repeats, identity=identity)
    return JudgedPlan(plan, probed, probed.transfer_set)

"""Loads the finished model of a stage, as it is deployed."""

from __future__ import annotations

from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from students.models.config import Weights
from students.models.network import Network
from students.storage.outcome import weights_file
from students.transfer_sets.transfer_set import TransferSet
from teachers.inference.loading import load_network


def weights_of(plan: Plan, store: Store, stage: Stage) -> Weights:
    """The weights that ``stage`` loads, else those that it has trained."""
    kind, _, name = stage.name.partition(".")
    loaded = plan.recipe.teachers[name].weights if kind == "teachers" else None
    return loaded or Weights(path=str(weights_file(store.folder(stage.digest))))


def finished_network(plan: Plan, store: Store, stage: Stage, transfer_set: TransferSet) -> Network:
    """The network that ``stage`` has trained, or that it loads: uint8 pictures in, logits out.

    Raises:
        ModelError, WeightsError: the weights cannot be read, or do not fit the model.
    """
    kind, _, name = stage.name.partition(".")
    teacher = plan.recipe.teachers[name] if kind == "teachers" else None
    return load_network(
        stage.cohort[0].model if teacher is None else teacher.model,
        weights_of(plan, store, stage),
        transfer_set=transfer_set,
        folder=plan.folder,
        path=f"{stage.name}.weights",
        classes=None if teacher is None else teacher.classes,
    )

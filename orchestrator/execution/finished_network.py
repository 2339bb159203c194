"""Finds and loads finished models."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.home.store import Store
from orchestrator.planning.stage import ModelRef, Stage
from students.config import Resources
from students.models.config import Weights
from students.models.network import Network
from students.specs import StageOutput
from students.transfer_sets.transfer_set import TransferSet
from teachers.serving.host import TeacherSpec


def weights_of(weights: Weights | StageOutput, store: Store) -> Weights:
    """The file of the weights."""
    return store.weights(weights) if isinstance(weights, StageOutput) else weights


def model_spec(
    ref: ModelRef, name: str, stage: Stage, store: Store, threads: int, resources: Resources
) -> TeacherSpec:
    """What a role is built from that runs the model ``ref``, which is called ``name``."""
    return TeacherSpec(
        name=name,
        path=ref.path,
        model=ref.model,
        weights=weights_of(ref.weights, store),
        data=replace(stage.data, cache=store.cache),
        threads=threads,
        device=device(resources),
        classes=ref.classes,
    )


def device(resources: Resources) -> str:
    """Where a role with these resources computes."""
    return "cuda" if resources.gpus else "cpu"


def finished_network(
    ref: ModelRef, stage: Stage, store: Store, transfer_set: TransferSet
) -> Network:
    """The network ``ref``, as it is deployed: uint8 pictures in, logits out.

    Raises:
        ModelError, WeightsError: the weights cannot be read, or do not fit the model.
    """
    spec = model_spec(ref, ref.path, stage, store, 1, Resources())
    return spec.load_network(transfer_set)

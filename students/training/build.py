"""Builds a student from its assignment: network, adapters, gating network, its samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from students.engines.state_tensors import EngineState
from students.models.build import build_network
from students.models.config import Weights
from students.models.network import Network
from students.models.taps import probe_shapes, reduced_shape
from students.objectives.adapters import Embedding, build_adapter
from students.objectives.teacher_gate import Gate
from students.objectives.term import Guided
from students.specs import Assignment, Samples, StudentSpec
from students.training.learner import Learner
from students.transfer_sets.splits import Ids
from students.transfer_sets.transfer_set import TransferSet, some_classes


def build_learner(
    assignment: Assignment, transfer_set: TransferSet, guided: Mapping[str, Guided]
) -> Learner:
    """The module that an engine trains: the student with an adapter for each layer that a term
    looks at, and its gating network.

    Raises:
        ModelError: no vector can be made of the layer that the gating network reads.
    """
    spec, gating = assignment.spec, assignment.spec.gate
    network = student_network(spec, transfer_set, assignment.data.folder)
    shape = spec.model.model_shape(transfer_set.shape)
    layers = [each.layer for each in guided.values()]
    shapes = probe_shapes(network.model, shape, [*layers, *([gating.layer] if gating else [])])
    adapted: dict[str, tuple[str, nn.Module]] = {}
    for name, each in guided.items():
        adapter: nn.Module = Embedding()
        if each.hint is not None:
            hint = assignment.hint_shapes[each.hint.name]
            adapter = build_adapter(shapes[each.layer], hint, seed=spec.seed, name=name)
        adapted[name] = each.layer, adapter
    gate = None
    if gating is not None:
        place = "ensemble.weighting.layer"
        (width,) = reduced_shape(shapes[gating.layer], "embedding", place=place)
        gate = Gate(len(assignment.teachers), width, layer=gating.layer, detached=gating.detached)
    return Learner(
        network.preprocess,
        network.model,
        adapted,
        gate=gate,
        channels_last=spec.model.channels_last,
        frozen=spec.frozen,
    )


def student_network(spec: StudentSpec, transfer_set: TransferSet, folder: Path) -> Network:
    """The student as it is deployed, with the weights it starts from; its files and code are
    relative to ``folder``."""
    return build_network(
        spec.model,
        transfer_set,
        folder,
        path=spec.path,
        seed=spec.seed,
        weights=spec.weights if isinstance(spec.weights, Weights) else None,
        classes=spec.samples.classes,
    )


def deployed_weights(state: EngineState) -> dict[str, Tensor]:
    """The student's own parameters and buffers, without adapters and gating network."""
    return {
        name.removeprefix("model."): value
        for name, value in state.module.items()
        if name.startswith("model.")
    }


def sample_ids(transfer_set: TransferSet, samples: Samples) -> Ids:
    """The samples that a student, or a teacher in training, is trained on."""
    if samples.audience == "student":
        return transfer_set.student_ids
    return some_classes(transfer_set, samples.classes).teacher_ids(samples.fraction)

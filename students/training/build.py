"""Makes a student from its assignment: network, adapters, the samples it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from students.engines.engine import EngineState
from students.models.build import build_model
from students.models.class_map import spread_of
from students.models.network import Network, Preprocess, preprocess
from students.models.taps import probe_shapes, reduced_shape
from students.models.weights import load_weights, read_weights
from students.objectives.adapters import Embedding, build_adapter
from students.objectives.layer_refs import Gating, Guided
from students.objectives.teacher_gate import Gate
from students.specs import Assignment, Samples
from students.training.learner import Learner
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.sampler import Ids
from students.transfer_sets.transfer_set import TransferSet


def build_learner(
    task: Assignment, transfer_set: TransferSet, guided: Mapping[str, Guided]
) -> Learner:
    """The module that an engine trains: the student with an adapter for each layer that a term
    looks at, and its gate."""
    model, gating = build_student_model(task, transfer_set), task.spec.gate
    shape = task.spec.model.model_shape(transfer_set.shape)
    looked_at = [each.layer for each in guided.values()]
    shapes = probe_shapes(model, shape, [*looked_at, *([gating.layer] if gating else [])])
    adapters: dict[str, nn.Module] = {
        name: Embedding()
        if each.hint is None
        else build_adapter(
            shapes[each.layer],
            task.hint_shapes[each.hint.name],
            seed=task.spec.seed,
            name=name,
        )
        for name, each in guided.items()
    }
    return Learner(
        student_preprocess(task, transfer_set),
        model,
        {name: each.layer for name, each in guided.items()},
        adapters,
        gate=None if gating is None else build_gate(gating, shapes[gating.layer], task.teachers),
        channels_last=task.spec.model.channels_last,
    )


def build_gate(gating: Gating, shape: tuple[int, ...], teachers: Sequence[str]) -> Gate:
    """The gate for a layer of ``shape`` per sample.

    Raises:
        ModelError: no vector can be made of such a layer.
    """
    (width,) = reduced_shape(shape, "embedding", place="ensemble.weighting.layer")
    return Gate(len(teachers), width, layer=gating.layer, detached=gating.detached)


def build_student_model(task: Assignment, transfer_set: TransferSet) -> nn.Module:
    """The student's own network, with the weights it starts from."""
    spec, classes = task.spec, task.spec.samples.classes
    model = build_model(
        spec.model,
        input_shape=transfer_set.shape,
        classes=transfer_set.classes if classes is None else len(classes),
        seed=spec.seed,
        folder=task.folder,
    )
    if spec.weights is not None:
        place = f"{spec.path}.weights"
        tensors = read_weights(spec.weights, path_in_recipe=place, folder=task.folder)
        load_weights(model, tensors, path_in_recipe=place)
    return model


def student_network(task: Assignment, transfer_set: TransferSet) -> Network:
    """The student as it is deployed, with the weights it starts from."""
    return Network(
        student_preprocess(task, transfer_set),
        build_student_model(task, transfer_set),
        spread_of(task.spec.samples.classes, transfer_set.classes),
    )


def student_preprocess(task: Assignment, transfer_set: TransferSet) -> Preprocess:
    """What the student does with a picture before its first layer."""
    return preprocess(
        task.spec.model.preprocessing,
        mean=transfer_set.mean,
        std=transfer_set.std,
        channels=transfer_set.shape[0],
    )


def deployed_weights(state: EngineState) -> dict[str, Tensor]:
    """The student's own parameters and buffers, without adapters and gate."""
    return {
        name.removeprefix("model."): value
        for name, value in state.module.items()
        if name.startswith("model.")
    }


def sample_ids(transfer_set: TransferSet, samples: Samples) -> Ids:
    """The samples that a student, or a teacher in training, learns from."""
    if samples.audience == "student":
        return transfer_set.student_ids()
    return some_classes(transfer_set, samples.classes).teacher_ids(samples.fraction)

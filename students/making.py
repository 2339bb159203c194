"""Makes a student from its assignment: network, adapters, the samples it is given."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from students.adapters import Embedding, build_adapter
from students.assignment import Assignment, Samples
from students.engine import EngineState
from students.learner import Learner
from students.models.catalog import build_model, model_shape
from students.models.config import CustomModel
from students.network import Preprocess, preprocess
from students.objectives.config import Guided
from students.order import Ids
from students.taps import probe_shapes
from students.transfer_sets.transfer_set import TransferSet
from students.weights import load_weights, read_weights


def build_learner(
    task: Assignment, transfer_set: TransferSet, guided: Mapping[str, Guided]
) -> Learner:
    """The module that an engine trains: the student with an adapter for each layer that a term
    looks at."""
    model = build_student_model(task, transfer_set)
    shape = model_shape(task.pupil.model, transfer_set.shape)
    shapes = probe_shapes(model, shape, [each.layer for each in guided.values()])
    adapters: dict[str, nn.Module] = {
        name: Embedding()
        if each.hint is None
        else build_adapter(
            shapes[each.layer],
            task.hint_shapes[each.hint.name],
            seed=task.pupil.seed,
            name=name,
        )
        for name, each in guided.items()
    }
    return Learner(
        student_preprocess(task, transfer_set),
        model,
        {name: each.layer for name, each in guided.items()},
        adapters,
        # A model of the user's may flatten features by ``view``, which this layout forbids.
        channels_last=not isinstance(task.pupil.model, CustomModel),
    )


def build_student_model(task: Assignment, transfer_set: TransferSet) -> nn.Module:
    """The student's own network, with the weights it starts from."""
    pupil = task.pupil
    model = build_model(
        pupil.model,
        input_shape=transfer_set.shape,
        classes=transfer_set.classes,
        seed=pupil.seed,
        folder=task.folder,
    )
    if pupil.weights is not None:
        place = f"{pupil.path}.weights"
        tensors = read_weights(pupil.weights, path_in_recipe=place, folder=task.folder)
        load_weights(model, tensors, path_in_recipe=place)
    return model


def student_preprocess(task: Assignment, transfer_set: TransferSet) -> Preprocess:
    """What the student does with a picture before its first layer."""
    return preprocess(
        task.pupil.model.preprocessing,
        mean=transfer_set.mean,
        std=transfer_set.std,
        channels=transfer_set.shape[0],
    )


def deployed_weights(state: EngineState) -> dict[str, Tensor]:
    """The student's own parameters and buffers, without adapters."""
    return {
        name.removeprefix("model."): value
        for name, value in state.module.items()
        if name.startswith("model.")
    }


def sample_ids(transfer_set: TransferSet, samples: Samples) -> Ids:
    """The samples that a student, or a teacher in training, learns from."""
    if samples.audience == "student":
        return transfer_set.student_ids()
    return transfer_set.teacher_ids(samples.fraction)

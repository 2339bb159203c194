"""Checks each model of a recipe and its weights file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from orchestrator.config import FIRST_STAGE, Recipe
from orchestrator.errors import Problem, problem_of
from students.config import StudentConfig
from students.errors import ModelError, ShapeMismatch, UserError
from students.models.config import Weights
from students.models.network import Preprocess
from students.models.probe import probe
from students.models.weights import WeightsSummary, check_weights_header
from students.transfer_sets.transfer_set import TransferSet
from teachers.config import TeacherConfig

_PROBED: dict[tuple[object, ...], nn.Module] = {}
"""Skeletons that have passed, which nothing changes: a study's trials have teachers in common."""
_MOST_PROBED = 64


@dataclass
class CheckedModels:
    """The skeletons of the models by their places in the recipe (``teachers.wide``, ``student``),
    as far as they have no problems; notes on their weights."""

    skeletons: dict[str, nn.Module] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_models(recipe: Recipe, data: TransferSet, folder: Path) -> CheckedModels:
    """Probes every model of ``recipe`` on pictures of ``data``, those that are trained also in
    training mode, and compares it with its weights file, which is relative to ``folder``."""
    found = CheckedModels()
    for place, owner in recipe.models.items():
        try:
            model = _probe_model(owner, data, folder)
            if isinstance(owner.weights, Weights):
                summary = check_weights_header(
                    model,
                    owner.weights,
                    path_in_recipe=f"{place}.weights",
                    folder=folder,
                    own_name=owner.model.tensor_name,
                )
                found.notes += summary.notes
                found.problems += _incomplete(place, owner, owner.weights, summary)
            found.skeletons[place] = model
        except ShapeMismatch as error:
            problem = _outputs_problem(place, owner, error, data.classes)
            found.problems.append(problem or problem_of(error, place))
        except ModelError as error:
            # How it is trained stands beside the model.
            section = place if error.path.startswith("train.") else f"{place}.model"
            found.problems.append(problem_of(error, section))
        except UserError as error:
            found.problems.append(problem_of(error, f"{place}.model"))
    found.problems += _first_stage(recipe, data, folder)
    return found


def _first_stage(recipe: Recipe, data: TransferSet, folder: Path) -> Iterator[Problem]:
    """What the first of two stages adds to the problems of the student: how it is trained."""
    if (first := recipe.taught.get(FIRST_STAGE)) is None:
        return
    try:
        _probe_model(first, data, folder)
    except UserError as error:
        if error.path.startswith("train."):
            yield problem_of(error, FIRST_STAGE)


def _probe_model(
    owner: TeacherConfig | StudentConfig, data: TransferSet, folder: Path
) -> nn.Module:
    classes = _outputs(owner, data.classes)
    trained_on = None if owner.train is None else owner.train.micro
    key = (owner.model.model_dump_json(), data.shape, classes, trained_on)
    model = _PROBED.get(key)
    if model is None:
        model = probe(
            owner.model,
            input_shape=data.shape,
            classes=classes,
            folder=folder,
            trained_on=trained_on,
        )
        if owner.model.custom_source is None:  # What a file of code builds may change.
            _PROBED[key] = model
        if len(_PROBED) > _MOST_PROBED:
            del _PROBED[next(iter(_PROBED))]
    Preprocess(owner.model.preprocessing, mean=data.mean, std=data.std)
    return model


def _outputs(owner: TeacherConfig | StudentConfig, classes: int) -> int:
    known = owner.classes if isinstance(owner, TeacherConfig) else None
    return classes if known is None else len(known)


def _incomplete(
    place: str, owner: TeacherConfig | StudentConfig, weights: Weights, summary: WeightsSummary
) -> Iterator[Problem]:
    """The problem of a loaded teacher of which the recipe leaves a part out."""
    if summary.initial and isinstance(owner, TeacherConfig):
        path = f"{place}.weights.leave_out"
        yield Problem(
            path,
            f"`{path}` is {list(weights.leave_out)}, which leaves out tensors of the model itself"
            f" ({summary.initial[0]}), but a teacher answers as it is loaded; leave out only what"
            " the file has and the model lacks",
        )


def _outputs_problem(
    place: str, owner: TeacherConfig | StudentConfig, error: ShapeMismatch, classes: int
) -> Problem | None:
    """The problem of weights at ``place`` that differ from their config in the number of outputs
    alone, in a transfer set of so many ``classes``; none if ``error`` is another."""
    shapes = error.shapes.values()
    if any(given[1:] != expected[1:] for given, expected in shapes):
        return None
    wanted = _outputs(owner, classes)
    [(given, expected), *others] = {(given[:1], expected[:1]) for given, expected in shapes}
    if others or expected != (wanted,) or not given:
        return None
    path = owner.weights.path if isinstance(owner.weights, Weights) else ""
    has = f"`{place}.weights.path` ('{path}') has {given[0]} outputs"
    if isinstance(owner, StudentConfig) or given[0] > classes:
        return Problem(f"{place}.weights.path", _other_outputs(place, owner, path, error, given[0]))
    if owner.classes is None:
        sentence = (
            f"`{place}.classes` is not set, but {has}, and the transfer set {classes} classes;"
            " list the class of each output, in their order"
        )
    else:
        sentence = (
            f"`{place}.classes` names {wanted} classes, but {has}; name one class for each of"
            " them, in their order"
        )
    return Problem(f"{place}.classes", sentence)


def _other_outputs(
    place: str, owner: TeacherConfig | StudentConfig, path: str, error: ShapeMismatch, given: int
) -> str:
    """The sentence on weights that have ``given`` outputs, those of other classes."""
    wanted = next(iter(error.shapes.values()))[1][0]
    tensors = ", ".join(error.shapes)
    begin = (
        f"`{place}.weights.path` is '{path}', which has {given} outputs ({tensors}), but {wanted}"
        " classes are wanted here"
    )
    select = f"list them in the classes' order by `{place}.weights.select_outputs`"
    if isinstance(owner, TeacherConfig):
        return (
            f"{begin}; if some of its outputs are these classes, {select}, else train it on these"
            f" classes: such a backbone can be a student's beginning, whose last layer is new"
            f" (`weights.leave_out: [{', '.join(error.modules)}]`)"
        )
    return (
        f"{begin}; to start with a new last layer, set `{place}.weights.leave_out:"
        f" [{', '.join(error.modules)}]`, or if some of its outputs are these classes, {select}"
    )

"""The deep check: data, models on the meta device, layers and shapes, headers of weights files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from orchestrator.config import Recipe
from orchestrator.deep_check.layers import LayerCheck, Shape
from orchestrator.deep_check.outputs import class_problems, outputs_problem, unexamined
from orchestrator.errors import Problem, problem_of
from orchestrator.planning.plan import needs_teachers
from orchestrator.recipe.rules.bank import beyond_classes
from students.errors import OtherShapes, TransferSetError, UserError
from students.knowledge import LOGITS
from students.models.build import probe
from students.models.config import Model, Weights
from students.models.network import preprocess
from students.models.weights import check_weights_header
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.budget import bytes_of_one_view
from teachers.bank.columns import Column

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe


@dataclass
class Probed:
    """What the deep check found: problems; the data, if they are there; the shapes of the
    teachers' layers that terms ask for, by ``HintLayer.name``."""

    problems: list[Problem] = field(default_factory=list)
    transfer_set: TransferSet | None = None
    hint_shapes: dict[str, Shape] = field(default_factory=dict)


def deep_problems(loaded: LoadedRecipe, home: Path) -> list[Problem]:
    """All problems that only data, models and files can show."""
    return probe_recipe(loaded.recipe, folder=loaded.folder, cache=home / "cache").problems


def probe_recipe(recipe: Recipe, *, folder: Path, cache: Path) -> Probed:
    """Looks at everything that a run of ``recipe`` will need, without training anything."""
    found = Probed()
    try:
        data = load_transfer_set(recipe.transfer_set, folder=folder, cache=cache)
    except TransferSetError as error:
        found.problems.append(problem_of(error, "transfer_set"))
        return found
    found.transfer_set = data
    found.problems += class_problems(recipe, data)
    if found.problems:  # No outputs could be found for such classes.
        return found
    found.problems += [*_sample_problems(recipe, data), *unexamined(recipe, data)]
    models: dict[str, nn.Module] = {}
    for place, config, weights, outputs in _models(recipe, data):
        try:
            models[place] = _probe_model(place, config, weights, outputs, data, folder)
        except UserError as error:
            found.problems.append(_model_problem(recipe, place, error, data))
    layers = LayerCheck(recipe, models, data.shape)
    found.problems += layers.problems()
    found.hint_shapes = layers.hint_shapes
    found.problems += _bank_problems(recipe, data)
    return found


def _models(recipe: Recipe, data: TransferSet) -> Iterator[tuple[str, Model, Weights | None, int]]:
    """Each model's place, what it is, its weights, and how many outputs it has."""
    for name, teacher in recipe.teachers.items():
        outputs = data.classes if teacher.classes is None else len(teacher.classes)
        yield f"teachers.{name}", teacher.model, teacher.weights, outputs
    student = recipe.student
    weights = None if student.weights == "none" else student.weights
    yield "student", student.model, weights, data.classes


def _probe_model(
    place: str,
    config: Model,
    weights: Weights | None,
    outputs: int,
    data: TransferSet,
    folder: Path,
) -> nn.Module:
    model = probe(config, input_shape=data.shape, classes=outputs, folder=folder)
    preprocess(config.preprocessing, mean=data.mean, std=data.std, channels=data.shape[0])
    if weights is not None:
        check_weights_header(model, weights, path_in_recipe=f"{place}.weights", folder=folder)
    return model


def _model_problem(recipe: Recipe, place: str, error: UserError, data: TransferSet) -> Problem:
    teacher = recipe.teachers.get(place.removeprefix("teachers.")) if place != "student" else None
    if isinstance(error, OtherShapes) and teacher is not None:
        found = outputs_problem(place, teacher, error, data.classes)
        if found is not None:
            return found
    return problem_of(error, f"{place}.model")


def _sample_problems(recipe: Recipe, data: TransferSet) -> Iterator[Problem]:
    unknown = [number for number in recipe.transfer_set.omit if number >= data.classes]
    if unknown:
        yield Problem(
            "transfer_set.omit",
            f"`transfer_set.omit` names class {unknown[0]}, but the classes are 0 to "
            f"{data.classes - 1}; take it out",
        )
        return
    given = [("student.train", recipe.student.train.batch_size, len(data.student_ids()))]
    for name, teacher in recipe.teachers.items():
        if teacher.train is not None:
            samples = len(some_classes(data, teacher.classes).teacher_ids(teacher.train.fraction))
            given.append((f"teachers.{name}.train", teacher.train.batch_size, samples))
    for place, batch, samples in given:
        if batch > samples:
            yield Problem(
                f"{place}.batch_size",
                f"`{place}.batch_size` is {batch}, but there are only {samples} samples to learn "
                "from; lower it, or give more of them",
            )


def _bank_problems(recipe: Recipe, data: TransferSet) -> Iterator[Problem]:
    bank, top_k = recipe.ensemble.bank, recipe.ensemble.top_k
    if bank == "none" or not recipe.teachers or not needs_teachers(recipe.student.objective):
        return
    if top_k is not None and top_k >= data.classes:
        if data.config.class_count is None:  # Of the others it is known without their data.
            yield beyond_classes(top_k, data.classes)
        return
    column = Column(LOGITS, (data.classes,), top_k)
    of_one = bytes_of_one_view([column], len(data.targets), len(data.student_ids()))
    needed = of_one * len(recipe.teachers)
    if bank.budget < needed:
        yield Problem(
            "ensemble.bank.budget_gb",
            f"`ensemble.bank.budget_gb` is {bank.budget_gb:g}, but one view of "
            f"{len(data.student_ids()):,} samples answered by {len(recipe.teachers)} teachers "
            f"takes {needed:,} bytes; give at least {math.ceil(needed / 1e3) / 1e6:g}, or take "
            "`ensemble.bank: none`",
        )

"""The deep check: data, models on the meta device, layers and shapes, headers of weights files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.plan import counting, needs_teachers
from orchestrator.recipe.rules_bank import beyond_classes
from orchestrator.recipe.rules_samples import CLASSES
from students.adapters import can_bridge
from students.errors import StudentError, TransferSetError
from students.models.catalog import model_shape, probe
from students.models.config import ModelConfig, Weights
from students.network import preprocess
from students.objectives.config import TermConfig
from students.taps import probe_shapes, reduced_shape
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.transfer_set import TransferSet
from students.weights import check_weights_header
from teachers.asked import logits_column
from teachers.bank.budget import needed_for_one_view

if TYPE_CHECKING:
    from orchestrator.recipe.loading import LoadedRecipe

Shape = tuple[int, ...]


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
        found.problems.append(_problem(error, "transfer_set"))
        return found
    found.transfer_set = data
    found.problems += _sample_problems(recipe, data)
    models: dict[str, nn.Module] = {}
    for place, config, weights in _models(recipe):
        try:
            models[place] = _probe_model(place, config, weights, data, folder)
        except StudentError as error:
            found.problems.append(_problem(error, f"{place}.model"))
    _probe_layers(recipe, models, data, found)
    found.problems += _bank_problems(recipe, data)
    return found


def _models(recipe: Recipe) -> Iterator[tuple[str, ModelConfig, Weights | None]]:
    for name, teacher in recipe.teachers.items():
        yield f"teachers.{name}", teacher.model, teacher.weights
    student = recipe.student
    yield "student", student.model, None if student.weights == "none" else student.weights


def _probe_model(
    place: str, config: ModelConfig, weights: Weights | None, data: TransferSet, folder: Path
) -> nn.Module:
    model = probe(config, input_shape=data.shape, classes=data.classes, folder=folder)
    preprocess(config.preprocessing, mean=data.mean, std=data.std, channels=data.shape[0])
    if weights is not None:
        check_weights_header(model, weights, path_in_recipe=f"{place}.weights", folder=folder)
    return model


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
            samples = len(data.teacher_ids(teacher.train.fraction))
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
        if data.config.kind not in CLASSES:  # Of the others it is known without their data.
            yield beyond_classes(top_k, data.classes)
        return
    column = logits_column(data.classes, top_k)
    of_one = needed_for_one_view([column], len(data.targets), len(data.student_ids()))
    needed = of_one * len(recipe.teachers)
    if bank.budget < needed:
        yield Problem(
            "ensemble.bank.budget_gb",
            f"`ensemble.bank.budget_gb` is {bank.budget_gb:g}, but one view of "
            f"{len(data.student_ids()):,} samples answered by {len(recipe.teachers)} teachers "
            f"takes {needed:,} bytes; give at least {math.ceil(needed / 1e3) / 1e6:g}, or take "
            "`ensemble.bank: none`",
        )


def _probe_layers(
    recipe: Recipe, models: Mapping[str, nn.Module], data: TransferSet, found: Probed
) -> None:
    for name, term in counting(recipe.student.objective).items():
        place = f"student.objective.{name}"
        try:
            _probe_hints(recipe, models, data, term, place, found.hint_shapes)
            found.problems += _guided_problems(recipe, models, data, name, found.hint_shapes)
        except StudentError as error:
            found.problems.append(_problem(error, place))


def _probe_hints(
    recipe: Recipe,
    models: Mapping[str, nn.Module],
    data: TransferSet,
    term: TermConfig,
    place: str,
    shapes: dict[str, Shape],
) -> None:
    for inside, hint in term.hints():
        teacher = f"teachers.{hint.teacher}"
        if teacher not in models:
            continue
        config, where = recipe.teachers[hint.teacher].model, f"{place}.{inside}"
        whole = _shape(models[teacher], config, data, hint.layer, where)
        reduction = f"{place}.reduction" if hint.reduction == "pool" else where
        shapes[hint.name] = reduced_shape(whole, hint.reduction, place=reduction)


def _guided_problems(
    recipe: Recipe,
    models: Mapping[str, nn.Module],
    data: TransferSet,
    name: str,
    shapes: Mapping[str, Shape],
) -> Iterator[Problem]:
    term, place = recipe.student.objective[name], f"student.objective.{name}"
    for guided in term.guides(name).values() if "student" in models else ():
        where = f"{place}.{guided.place}"
        shape = _shape(models["student"], recipe.student.model, data, guided.layer, where)
        if guided.hint is None:
            reduced_shape(shape, "embedding", place=where)
        elif guided.hint.name in shapes:
            trouble = can_bridge(shape, shapes[guided.hint.name])
            if trouble is not None:
                at = where.rpartition(".")[0]
                yield Problem(at, f"`{at}` cannot be computed: {trouble}")


def _shape(
    model: nn.Module, config: ModelConfig, data: TransferSet, layer: str, place: str
) -> Shape:
    return probe_shapes(model, model_shape(config, data.shape), [layer], place=place)[layer]


def _problem(error: StudentError, section: str) -> Problem:
    """The error as a problem of the recipe; places in its sentence become whole ones."""
    inside = error.path
    if not inside or inside.startswith(("transfer_set", "teachers.", "student")):
        return Problem(inside or section, error.message)
    whole = f"{section}.{inside}"
    return Problem(whole, error.message.replace(f"`{inside}`", f"`{whole}`"))

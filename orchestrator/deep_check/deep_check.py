"""The deep check: data, models on the meta device, layers and shapes, headers of weights files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from cluster.errors import some_of
from orchestrator.config import Recipe
from orchestrator.deep_check.frozen_layers import frozen_notes, frozen_problems
from orchestrator.deep_check.models import check_models
from orchestrator.errors import Problem, RecipeProblems, problem_of, problems_from
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.planner import make_plan
from orchestrator.recipe.files import missing_files
from orchestrator.recipe.loading import LoadedRecipe
from orchestrator.recipe.rules.class_maps import class_map_problems
from orchestrator.recipe.rules.ensemble import beyond_classes
from orchestrator.recipe.rules.training import taught
from orchestrator.recipe.rules.transfer_set import omitted_problems
from students.errors import UserError
from students.knowledge import LOGITS
from students.models.taps import probe_shapes, reduced_shape
from students.objectives.adapters import can_bridge
from students.objectives.term import HintLayer, active_terms
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.transfer_set import TransferSet, some_classes
from teachers.bank.budget import bytes_of_one_view
from teachers.bank.columns import Column
from teachers.weighting.adaptive import Adaptive

Shape = tuple[int, ...]


@dataclass
class DeepCheckResult:
    """The problems found; the transfer set, where it could be loaded; the shapes of the
    teachers' layers that terms use, by ``HintLayer.name``; notes, sentences on what is used."""

    problems: list[Problem] = field(default_factory=list)
    transfer_set: TransferSet | None = None
    hint_shapes: dict[str, Shape] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, problems: Iterable[Problem]) -> None:
        """Adds problems, one at most for each place."""
        places = {problem.path for problem in self.problems}
        self.problems += (problem for problem in problems if problem.path not in places)


def checked_plan(
    loaded: LoadedRecipe, store: Store, *, repeats: int = 1, data: TransferSet | None = None
) -> tuple[Graph, TransferSet]:
    """Checks ``loaded`` deeply and plans it, with ``repeats`` seeds of the student; gives its
    samples as well. ``data`` are samples that are loaded already; if they are the recipe's, they
    are not loaded again.

    Raises:
        RecipeProblems: every problem that the deep check found.
    """
    found = deep_check(loaded, store.cache, data)
    data = found.transfer_set
    if found.problems or data is None:
        raise RecipeProblems(found.problems)
    graph = make_plan(
        loaded.recipe,
        folder=loaded.folder,
        cache=store.cache,
        repeats=repeats,
        identity=data.identity,
        hint_shapes=found.hint_shapes,
        classes=data.classes,
    )
    return replace(graph, remarks=(*graph.remarks, *found.notes)), data


def deep_check(
    loaded: LoadedRecipe, cache: Path, given: TransferSet | None = None
) -> DeepCheckResult:
    """Examines all data, models and files that a run of ``loaded`` needs; trains nothing."""
    recipe, found = loaded.recipe, DeepCheckResult(problems_from(missing_files(loaded)))
    try:
        data = given if given is not None and given.config == recipe.transfer_set else None
        data = data or load_transfer_set(recipe.transfer_set, folder=loaded.folder, cache=cache)
    except UserError as error:
        found.add([problem_of(error, "transfer_set")])
        return found
    found.transfer_set = data
    wrong_maps = problems_from(class_map_problems(recipe, data.classes))
    if wrong_maps:  # The number of a teacher's outputs is unknown for such classes.
        found.add(wrong_maps)
        return found
    found.add(problems_from(_sample_problems(recipe, data)))
    models = check_models(recipe, data, loaded.folder)
    found.add(models.problems)
    found.notes += [*models.notes, *_sizes(recipe, models.skeletons), *_untested(data)]
    found.add(_LayerCheck(recipe, models.skeletons, data.shape, found.hint_shapes).problems())
    found.add(frozen_problems(recipe, models.skeletons))
    if not found.problems:
        found.notes += frozen_notes(recipe, models.skeletons["student"], data.shape)
    found.add(problems_from(_bank_problems(recipe, data)))
    return found


def _untested(data: TransferSet) -> Iterator[str]:
    """Classes of which the test part has no sample, as where a folder of it was forgotten."""
    tested = set(data.targets[data.test_ids].tolist())
    if absent := [name for number, name in enumerate(data.class_names) if number not in tested]:
        yield (
            f"`transfer_set` has {len(absent)} of {data.classes} classes of which the test part "
            f"has no sample ({some_of(absent)}): no figure on it is about these."
        )


def _sizes(recipe: Recipe, models: Mapping[str, nn.Module]) -> Iterator[str]:
    """Whether the models of a path get smaller towards the student, as they are meant to."""
    sizes = {
        place: sum(each.numel() for each in models[place].parameters())
        for place in recipe.taught
        if place in models
    }
    student, entries = sizes.get("student"), recipe.schedule.entries
    before = {place: size for place, size in sizes.items() if place in entries}
    if student is None or not before:
        return
    # Of several candidates each is the whole path.
    paths = (
        [[size] for size in before.values()] if recipe.schedule.is_open else [[*before.values()]]
    )
    if any([*path, student] != sorted({*path, student}, reverse=True) for path in paths):
        yield (
            f"`{next(iter(before)).rpartition('.')[0]}` has models of "
            f"{', '.join(f'{size:,}' for size in before.values())} parameters before the student "
            f"of {student:,}: assistants are meant to shrink."
        )


def _sample_problems(recipe: Recipe, data: TransferSet) -> Iterator[str]:
    wrong = list(omitted_problems(recipe, data.classes))
    if wrong:
        yield from wrong
        return
    given = [
        (f"{place}.train", config.train.batch_size, len(data.student_ids))
        for place, config in taught(recipe)
    ]
    for name, teacher in recipe.teachers.items():
        own = some_classes(data, teacher.classes)
        if len(own.test_ids) == 0:
            yield (
                f"`teachers.{name}.classes` names classes of which the test part has no sample, so "
                "that teacher cannot be evaluated; add samples of them"
            )
        if teacher.train is not None:
            samples = len(own.teacher_ids(teacher.train.fraction))
            given.append((f"teachers.{name}.train", teacher.train.batch_size, samples))
    yield from _augmentations(recipe, data)
    for place, batch, samples in given:
        if batch > samples:
            yield (
                f"`{place}.batch_size` is {batch}, but there are only {samples} samples to learn "
                "from; lower it, or give more of them"
            )


def _augmentations(recipe: Recipe, data: TransferSet) -> Iterator[str]:
    """Shifts that may leave less than half of a picture."""
    augments = {"transfer_set.augment": recipe.transfer_set.augment}
    for name, teacher in recipe.teachers.items():
        if teacher.train is not None and teacher.train.augment is not None:
            augments[f"teachers.{name}.train.augment"] = teacher.train.augment
    side = min(data.shape[1:])
    for place, augment in augments.items():
        pixels, _ = augment.variation
        if pixels > side // 2:
            yield (
                f"`{place}` shifts pictures by up to {pixels} pixels, but they are "
                f"{data.shape[1]} x {data.shape[2]}: less than half of one would be left; make it "
                f"{max(1, side // 8)}"
            )


def _bank_problems(recipe: Recipe, data: TransferSet) -> Iterator[str]:
    bank, top_k = recipe.ensemble.bank, recipe.ensemble.top_k
    if bank == "none" or not recipe.teachers or not recipe.uses_teachers:
        return
    if top_k is not None and top_k >= data.classes:
        yield beyond_classes(top_k, data.classes)
        return
    column = Column(LOGITS, (data.classes,), top_k)
    of_one = bytes_of_one_view([column], len(data.targets), len(data.student_ids))
    needed = of_one * len(recipe.teachers)
    if bank.budget < needed:
        yield (
            f"`ensemble.bank.budget_gb` is {bank.budget_gb:g}, but one view of "
            f"{len(data.student_ids):,} samples answered by {len(recipe.teachers)} teachers "
            f"takes {needed:,} bytes; give at least {math.ceil(needed / 1e3) / 1e6:g}, or take "
            "`ensemble.bank: none`"
        )


@dataclass(frozen=True)
class _LayerCheck:
    """Checks that the layers that terms and the gating network read exist and fit.

    ``models`` are named by their place in the recipe (``teachers.wide``, ``student``); layers of
    one that could not be built are not checked. ``hint_shapes`` receives the shapes of the
    teachers' layers found, by ``HintLayer.name``.
    """

    recipe: Recipe
    models: Mapping[str, nn.Module]
    inputs: tuple[int, int, int]
    hint_shapes: dict[str, Shape]

    def problems(self) -> Iterator[Problem]:
        """Each bad layer once, at the place where the recipe names it."""
        weighting = self.recipe.ensemble.weighting
        for trained, config in self.recipe.taught.items():
            model = trained if trained in self.recipe.models else "student"
            # An objective that is not the model's own stands with the student.
            own = config.objective != self.recipe.student.objective
            section = f"{trained if own else 'student'}.objective"
            for name, term in active_terms(config.objective).items():
                place = f"{section}.{name}"
                for inside, hint in term.hint_layers():
                    yield from self._hint(place, inside, hint)
                for guided in term.guided_layers(name).values():
                    where = f"{place}.{guided.place}"
                    yield from self._guided(model, where, guided.layer, guided.hint)
            if isinstance(weighting, Adaptive) and weighting.layer is not None:
                yield from self._guided(model, "ensemble.weighting.layer", weighting.layer, None)

    def _hint(self, place: str, inside: str, hint: HintLayer) -> Iterator[Problem]:
        teacher, where = self._place_of(hint.teacher), f"{place}.{inside}"
        try:
            whole = self._shape(teacher, hint.layer, where)
            if whole is not None:
                reduction = f"{place}.reduction" if hint.reduction == "pool" else where
                self.hint_shapes[hint.name] = reduced_shape(whole, hint.reduction, place=reduction)
        except UserError as error:
            yield problem_of(error, teacher)

    def _place_of(self, teacher: str) -> str:
        """Where the recipe has a teacher's model."""
        schedule = self.recipe.schedule
        if teacher not in schedule.names:
            return f"teachers.{teacher}"
        places = list(schedule.entries)
        return places[schedule.names.index(teacher)] if places else "student"

    def _guided(
        self, model: str, where: str, layer: str, hint: HintLayer | None
    ) -> Iterator[Problem]:
        try:
            shape = self._shape(model, layer, where)
            if shape is not None and hint is None:
                reduced_shape(shape, "embedding", place=where)
        except UserError as error:
            yield problem_of(error, model)
            return
        if shape is not None and hint is not None and hint.name in self.hint_shapes:
            reason = can_bridge(shape, self.hint_shapes[hint.name])
            if reason is not None:
                between = where.rpartition(".")[0]
                yield Problem(between, f"`{between}` cannot be computed: {reason}")

    def _shape(self, model: str, layer: str, place: str) -> Shape | None:
        """The shape of a layer's output per sample; none where the model could not be built."""
        if model not in self.models:
            return None
        shape = self.recipe.models[model].model.model_shape(self.inputs)
        return probe_shapes(self.models[model], shape, [layer], place=place)[layer]

"""The deep check of layers: those that terms and the gating network read exist and fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import nn

from orchestrator.config import Recipe
from orchestrator.errors import Problem, problem_of
from students.errors import UserError
from students.models.taps import probe_shapes, reduced_shape
from students.objectives.adapters import can_bridge
from students.objectives.term import HintLayer, active_terms
from teachers.weighting.adaptive import Adaptive

Shape = tuple[int, ...]


@dataclass
class LayerCheck:
    """Checks layers of ``models``, which are named by their place in the recipe
    (``teachers.wide``, ``student``). Where a model could not be built, its layers are not checked.

    ``hint_shapes`` has the shapes of the teachers' layers found, by ``HintLayer.name``.
    """

    recipe: Recipe
    models: Mapping[str, nn.Module]
    inputs: tuple[int, int, int]
    hint_shapes: dict[str, Shape] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Each bad layer once, at the place where the recipe names it."""
        for name, term in active_terms(self.recipe.student.objective).items():
            place = f"student.objective.{name}"
            for inside, hint in term.hint_layers():
                yield from self._hint(place, inside, hint)
            for guided in term.guided_layers(name).values():
                yield from self._guided(f"{place}.{guided.place}", guided.layer, guided.hint)
        weighting = self.recipe.ensemble.weighting
        if isinstance(weighting, Adaptive) and weighting.layer is not None:
            yield from self._guided("ensemble.weighting.layer", weighting.layer, None)

    def _hint(self, place: str, inside: str, hint: HintLayer) -> Iterator[Problem]:
        teacher, where = f"teachers.{hint.teacher}", f"{place}.{inside}"
        try:
            whole = self._shape(teacher, hint.layer, where)
            if whole is not None:
                reduction = f"{place}.reduction" if hint.reduction == "pool" else where
                shape = reduced_shape(whole, hint.reduction, place=reduction)
                self.hint_shapes[hint.name] = shape
        except UserError as error:
            yield problem_of(error, teacher)

    def _guided(self, where: str, layer: str, hint: HintLayer | None) -> Iterator[Problem]:
        try:
            shape = self._shape("student", layer, where)
            if shape is not None and hint is None:
                reduced_shape(shape, "embedding", place=where)
        except UserError as error:
            yield problem_of(error, "student")
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

"""Rules about a gate: how a student weighs its teachers itself."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from teachers.config import Adaptive

OUTPUTS = ("logits", "gate", "gate.penalty")
"""What a student in training outputs under names of its own; as in
``students.training.learner``, which needs torch."""

_PLACE = "ensemble.weighting"


def _layer(recipe: Recipe) -> Iterator[Problem]:
    weighting, model = recipe.ensemble.weighting, recipe.student.model
    if not isinstance(weighting, Adaptive) or weighting.layer is not None:
        return
    if model.feature_layer is None:
        yield Problem(
            f"{_PLACE}.layer",
            f"`{_PLACE}.layer` is not said, and of `student.model`, which is of kind "
            f"'{model.kind}', the last layer before the outputs is not known; name a layer of it",
        )


def _learns_for(recipe: Recipe) -> Iterator[Problem]:
    weighting, epochs = recipe.ensemble.weighting, recipe.student.train.epochs
    if not isinstance(weighting, Adaptive) or weighting.learns_for is None:
        return
    if weighting.learns_for >= epochs:
        yield Problem(
            f"{_PLACE}.learns_for",
            f"`{_PLACE}.learns_for` is {weighting.learns_for}, but `student.train.epochs` is "
            f"{epochs}, so it has no effect; lower it or take it out",
        )


def _names(recipe: Recipe) -> Iterator[Problem]:
    looked_at: dict[str, str] = {}
    for name, term in recipe.student.objective.items():
        place = f"student.objective.{name}"
        if name in OUTPUTS and term.guided_layers(name):
            yield Problem(
                place,
                f"`{place}` looks at a layer under the name '{name}', which the student in "
                "training uses itself; call the term something else",
            )
        for output in term.guided_layers(name):
            other = looked_at.setdefault(output, name)
            if other != name:
                yield Problem(
                    place,
                    f"`{place}` looks at a layer under the name '{output}', as "
                    f"`student.objective.{other}` does; call one of the terms something else",
                )


gate_rules = (_layer, _learns_for, _names)

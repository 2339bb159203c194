"""Checks the layers that the second of two stages freezes, and the terms that look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from orchestrator.config import Recipe
from orchestrator.errors import Problem, problem_of
from orchestrator.schedule_config import TwoStage
from students.errors import ModelError
from students.models.taps import find_layer, fixed_layers
from students.objectives.term import active_terms


def frozen_problems(recipe: Recipe, models: Mapping[str, nn.Module]) -> Iterator[Problem]:
    """Each layer to freeze that is not there or has nothing to freeze, or that nothing would be
    left to train; ``models`` are those that could be built, by their place in the recipe."""
    schedule, model = recipe.schedule, models.get("student")
    if not isinstance(schedule, TwoStage) or model is None:
        return
    frozen: list[nn.Parameter] = []
    for number, name in enumerate(schedule.freeze):
        place = f"schedule.freeze.{number}"
        try:
            layer = find_layer(model, name, place=place)
        except ModelError as error:
            yield problem_of(error, "schedule")
            continue
        frozen += layer.parameters()
        if not [*layer.parameters(), *layer.buffers()]:
            yield Problem(
                place,
                f"`{place}` is {name!r}, which has no parameters, so there is nothing to freeze; "
                "take it out, or name a layer that has some",
            )
    if {*model.parameters()} <= {*frozen}:
        place = "schedule.freeze"
        yield Problem(
            place,
            f"`{place}` is {list(schedule.freeze)}, which holds every parameter of the student, "
            "so nothing would be left to train; take a layer out",
        )


def frozen_notes(recipe: Recipe, model: nn.Module, inputs: tuple[int, int, int]) -> Iterator[str]:
    """Terms of the student, whose ``model`` has no problem on pictures of the shape ``inputs``,
    that teach it nothing in the second stage, since all that they look at is frozen."""
    schedule = recipe.schedule
    if not isinstance(schedule, TwoStage) or not schedule.freeze:
        return
    guided = {
        f"student.objective.{name}": [each.layer for each in term.guided_layers(name).values()]
        for name, term in active_terms(recipe.student.objective).items()
    }
    layers = {layer for each in guided.values() for layer in each}
    shape = recipe.student.model.model_shape(inputs)
    fixed = fixed_layers(model, shape, layers, schedule.freeze)
    for place, looked_at in guided.items():
        if looked_at and fixed.issuperset(looked_at):
            yield (
                f"`{place}` looks at {', '.join(map(repr, looked_at))}, where all is frozen by "
                "`schedule.freeze`, so it teaches the student nothing in the second stage."
            )

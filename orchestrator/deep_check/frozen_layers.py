"""Checks the layers that the second of two stages freezes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from orchestrator.config import Recipe
from orchestrator.errors import Problem, problem_of
from orchestrator.schedule_config import TwoStage
from students.errors import ModelError
from students.models.taps import find_layer


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

"""Notes on numbers that are possible, but that may be meant in another unit."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.rules.training import objectives, trainings
from students.config import TrainConfig
from students.objectives.term import SofteningTerm
from students.objectives.weight_schedule import weight_at
from students.optimizers import Sgd

_PERCENT_LIKE = 50
"""Counts of validation samples up to that may be percentages."""
_USUAL_TEMPERATURES = (0.5, 30.0)
_LARGE_RATES = {"sgd": 1.0, "adamw": 0.02}
_LARGE_SGD_DECAY = 0.05
_LARGE_DROPOUT, _LARGE_SMOOTHING = 0.7, 0.4
_LARGE_WEIGHT = 10.0


def unusual_numbers(recipe: Recipe) -> Iterator[str]:
    """Sentences that begin with the places of the numbers."""
    validation = recipe.transfer_set.validation
    if isinstance(validation, int) and validation <= _PERCENT_LIKE:
        yield (
            f"`transfer_set.validation` is {validation}, which is a count of samples; "
            f"{validation} % would be {validation / 100:g}."
        )
    for place, owner in recipe.models.items():
        rate = getattr(owner.model, "dropout", 0.0)
        if rate > _LARGE_DROPOUT:
            yield (
                f"`{place}.model.dropout` is {rate:g}, the share of units that are dropped: "
                f"{1 - rate:.0%} are kept."
            )
    yield from _temperatures(recipe)
    yield from _weights(recipe)
    for place, train, _ in trainings(recipe):
        yield from _steps(f"{place}.train.optimizer", train)


def _temperatures(recipe: Recipe) -> Iterator[str]:
    places = {}
    if recipe.teachers and any(term.softens for term in recipe.taught_terms):
        places["ensemble.temperature"] = recipe.ensemble.temperature
    for name, term in recipe.student.objective.items():
        if isinstance(term, SofteningTerm) and term.temperature is not None:
            places[f"student.objective.{name}.temperature"] = term.temperature
    least, most = _USUAL_TEMPERATURES
    for place, value in places.items():
        if not least <= value <= most:
            shape = "one class alone" if value < least else "nearly the same for all classes"
            yield f"`{place}` is {value:g}, where 1 to 20 is usual: softened targets are {shape}."


def _weights(recipe: Recipe) -> Iterator[str]:
    for place, terms, _, epochs in objectives(recipe):
        for name, term in terms.items():
            weight = max(weight_at(term.weight, epoch) for epoch in (0, epochs - 1))
            if weight >= _LARGE_WEIGHT and (term.on_distributions or term.needs_labels):
                yield (
                    f"`{place}.{name}.weight` is {weight:g}, which is no percentage: gradients are "
                    "that many times as large."
                )
            if term.smoothing > _LARGE_SMOOTHING:
                yield (
                    f"`{place}.{name}.label_smoothing` is {term.smoothing:g}, the share of a label "
                    "that is spread over all classes; 0.1 is usual."
                )


def _steps(place: str, train: TrainConfig) -> Iterator[str]:
    optimizer = train.optimizer
    most = _LARGE_RATES[optimizer.kind]
    if optimizer.lr > most:
        yield f"`{place}.lr` is {optimizer.lr:g}; {optimizer.kind} rarely learns above {most:g}."
    if isinstance(optimizer, Sgd) and optimizer.weight_decay > _LARGE_SGD_DECAY:
        yield (
            f"`{place}.weight_decay` is {optimizer.weight_decay:g}, where 0.0001 to 0.005 is usual."
        )

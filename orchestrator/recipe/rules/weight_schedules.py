"""Rules about the weights of terms over the epochs of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed
from orchestrator.recipe.rules.training import trainings
from students.config import TrainConfig
from students.objectives.term import Term
from students.objectives.weight_schedule import LinearWeight, StopWeight, weight_at


def objectives(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Term], str, TrainConfig]]:
    """Each objective with its place, and its training with its place."""
    for owner, train, _ in trainings(recipe):
        if owner == "student":
            yield "student.objective", recipe.student.objective, "student.train", train
            continue
        teacher = recipe.teachers[owner.removeprefix("teachers.")]
        assert teacher.train is not None
        place = f"{owner}.train"
        yield f"{place}.objective", teacher.train.objective, place, train


def _schedules(recipe: Recipe) -> Iterator[Finding]:
    for place, terms, where, train in objectives(recipe):
        for name, term in terms.items():
            yield from _schedule(f"{place}.{name}", term, f"{where}.epochs", train.epochs)


def _schedule(place: str, term: Term, where: str, epochs: int) -> Iterator[Finding]:
    weight, at = term.weight, f"{place}.weight"
    if isinstance(weight, StopWeight) and weight.epoch >= epochs:
        yield (
            f"{at}.epoch",
            f"is {weight.epoch}, which has no effect, since `{where}` is {epochs} and the first "
            f"epoch is 0; make it less than {epochs}, or write {weight.value:g} alone",
        )
    elif _is_constant(weight):
        yield (
            at,
            f"is {weight_at(weight, 0):g} in every epoch, so a schedule has no effect; write "
            f"{weight_at(weight, 0):g} alone",
        )
    elif term.active and not any(weight_at(weight, epoch) > 0 for epoch in range(epochs)):
        yield (
            at,
            f"is 0 in each epoch that `{where}` ({epochs}) has; train longer, or begin above 0",
        )


def _is_constant(weight: object) -> bool:
    return (isinstance(weight, LinearWeight) and weight.start == weight.end) or (
        isinstance(weight, StopWeight) and weight.value == weight.after
    )


def inactive_epochs(terms: Mapping[str, Term], epochs: int) -> list[int]:
    """The epochs, of so many, in which no term has a weight above zero."""
    weights = [term.weight for term in terms.values()]
    return [e for e in range(epochs) if not any(weight_at(each, e) > 0 for each in weights)]


def _always_active(recipe: Recipe) -> Iterator[Finding]:
    for place, terms, _, train in objectives(recipe):
        # An objective whose terms are never active is a problem of another rule.
        if not any(term.active for term in terms.values()):
            continue
        inactive = inactive_epochs(terms, train.epochs)
        if inactive and len(inactive) < train.epochs:
            yield (
                place,
                f"has weight 0 for {listed(terms)} in {_named(inactive)}, so nothing would be "
                "learned then; give a term a weight above 0 there",
            )


def _named(epochs: list[int]) -> str:
    """``epoch 3 (the first is 0)``, or the first and the last of several."""
    more = f" to {epochs[-1]}" if len(epochs) > 1 else ""
    return f"epoch{'s' if more else ''} {epochs[0]}{more} (the first is 0)"


weight_rules = (_schedules, _always_active)

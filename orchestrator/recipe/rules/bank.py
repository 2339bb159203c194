"""Rules about the bank: what it stores of an answer suffices for the terms that use it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from teachers.config import BankConfig

_PLACE = "ensemble.bank"


def _without_effect(recipe: Recipe) -> Iterator[Finding]:
    bank = recipe.ensemble.bank
    # Without teachers, the whole section ``ensemble`` is a problem already.
    if not recipe.teachers or bank == BankConfig():
        return
    terms = [term for term in recipe.student.objective.values() if term.active]
    if not any(term.needs_teachers for term in terms):
        yield (
            _PLACE,
            "has no effect, since no term of `student.objective` uses a teacher; take it out or "
            "add soft_targets",
        )
        return
    if bank != "none" and bank.taps and not any(term.hint_layers() for term in terms):
        yield (
            f"{_PLACE}.taps",
            "has no effect, since no term of `student.objective` uses a teacher's layer; take it "
            "out or add a hint",
        )


def _top_k(recipe: Recipe) -> Iterator[Finding]:
    top_k, place = recipe.ensemble.top_k, f"{_PLACE}.top_k"
    if top_k is None:
        return
    for name, term in recipe.student.objective.items():
        if term.needs_all_logits and term.active:
            yield (
                place,
                f"is {top_k}, so only the mean of the other logits is kept, but "
                f"`student.objective.{name}` of kind '{term.kind}' needs each of them; take one "
                "of them out",
            )
    classes = recipe.transfer_set.class_count
    if classes is not None and top_k >= classes:
        yield beyond_classes(top_k, classes)


def beyond_classes(top_k: int, classes: int) -> Finding:
    """The problem of a ``top_k`` that leaves nothing out."""
    return (
        f"{_PLACE}.top_k",
        f"is {top_k}, but there are only {classes} classes; lower it, or write none to keep all "
        "logits",
    )


bank_rules = (_without_effect, _top_k)

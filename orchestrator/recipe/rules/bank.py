"""Rules about the bank: what of an answer is kept must do for those who learn from it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from teachers.config import BankConfig

_PLACE = "ensemble.bank"


def _without_effect(recipe: Recipe) -> Iterator[Problem]:
    bank = recipe.ensemble.bank
    # A recipe without teachers is told so of its whole section ``ensemble``.
    if not recipe.teachers or bank == BankConfig():
        return
    terms = [term for term in recipe.student.objective.values() if term.active]
    if not any(term.needs_teachers for term in terms):
        yield Problem(
            _PLACE,
            f"`{_PLACE}` has no effect, since no term of `student.objective` asks a teacher; take "
            "it out or add soft_targets",
        )
        return
    hints = any(term.hint_layers() for term in terms)
    if bank != "none" and bank.taps and not hints:
        yield Problem(
            f"{_PLACE}.taps",
            f"`{_PLACE}.taps` has no effect, since no term of `student.objective` looks at a "
            "teacher's layer; take it out or add a hint",
        )


def _top_k(recipe: Recipe) -> Iterator[Problem]:
    top_k, place = recipe.ensemble.top_k, f"{_PLACE}.top_k"
    if top_k is None:
        return
    for name, term in recipe.student.objective.items():
        if term.needs_all_logits and term.active:
            yield Problem(
                place,
                f"`{place}` is {top_k}, so of the other logits only their mean is kept, but "
                f"`student.objective.{name}` is of kind '{term.kind}', which needs each of them; "
                "take one of the two out",
            )
    classes = recipe.transfer_set.class_count
    if classes is not None and top_k >= classes:
        yield beyond_classes(top_k, classes)


def beyond_classes(top_k: int, classes: int) -> Problem:
    """What is said of a ``top_k`` that leaves nothing out."""
    place = f"{_PLACE}.top_k"
    return Problem(
        place,
        f"`{place}` is {top_k}, but there are only {classes} classes; lower it, or write none to "
        "keep all logits",
    )


bank_rules = (_without_effect, _top_k)

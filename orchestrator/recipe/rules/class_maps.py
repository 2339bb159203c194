"""Rules about class maps: which classes a teacher's outputs stand for, and who knows the rest."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed
from teachers.weighting.specialists import Specialists

MOST_TOLD = 10
"""Classes that one sentence names."""

_BANK = "ensemble.bank.top_k"
_WEIGHTING = "ensemble.weighting"


def _maps(recipe: Recipe) -> Iterator[Finding]:
    """What is wrong with a class map whatever the transfer set."""
    for name, teacher in recipe.teachers.items():
        place, said = f"teachers.{name}.classes", teacher.classes
        if said is None:
            continue
        twice = sorted({each for each in said if said.count(each) > 1})
        if twice:
            yield (
                place,
                f"is {list(said)}, which names {listed(map(str, twice))} more than once; name "
                "each class once, in the order of the outputs",
            )
        elif len(said) < 2:
            yield (
                place,
                f"is {list(said)}, but a teacher distinguishes two classes at least; name two "
                "or more, or leave it out for all",
            )


def _known_to_somebody(recipe: Recipe) -> Iterator[Finding]:
    """Where the number of classes is known for sure; else the deep check asks."""
    classes = recipe.transfer_set.class_count
    if classes is not None:
        yield from beyond_or_unknown(recipe, classes)


def beyond_or_unknown(recipe: Recipe, classes: int) -> Iterator[Finding]:
    """What is wrong with class maps in a transfer set of so many ``classes``."""
    if any(_maps(recipe)):
        return
    beyond = False
    for name, teacher in recipe.teachers.items():
        place = f"teachers.{name}.classes"
        over = [each for each in teacher.classes or () if each >= classes]
        if over:
            beyond = True
            yield (
                place,
                f"names {listed(map(str, over))}, but the classes of {recipe.transfer_set.kind} "
                f"are 0 to {classes - 1}; take it out",
            )
    if not beyond:
        yield from _unknown(recipe, classes)
        yield from _of_some(recipe, classes)


def partial(recipe: Recipe, classes: int) -> dict[str, tuple[int, ...]]:
    """The teachers that do not know all ``classes``, and those that they know."""
    maps = {name: teacher.classes for name, teacher in recipe.teachers.items()}
    return {
        name: known for name, known in maps.items() if known is not None and len(known) < classes
    }


def _unknown(recipe: Recipe, classes: int) -> Iterator[Finding]:
    some = partial(recipe, classes)
    taught = any(term.needs_teachers and term.active for term in recipe.student.objective.values())
    if not taught or not some or len(some) < len(recipe.teachers):
        return
    nobody = sorted(set(range(classes)) - {each for known in some.values() for each in known})
    if nobody:
        yield (
            "teachers",
            f"have `classes` that leave out {_few(nobody)}, so no teacher would teach them; add "
            "a teacher that knows them, or one that knows all classes",
        )


def _few(classes: list[int]) -> str:
    told = [str(each) for each in classes[:MOST_TOLD]]
    more = len(classes) - len(told)
    return listed([*told, f"{more} more"] if more else told)


def _of_some(recipe: Recipe, classes: int) -> Iterator[Finding]:
    """What a teacher that knows some of the classes does not go with."""
    some = partial(recipe, classes)
    if isinstance(recipe.ensemble.weighting, Specialists) and recipe.teachers and not some:
        yield (
            _WEIGHTING,
            f"is specialists, but each of `teachers` knows all {classes} classes, so all would "
            "have the same weight; choose uniform, or list in a teacher's `classes` those that "
            "it knows",
        )
    top_k, most = recipe.ensemble.top_k, max(some, key=lambda name: len(some[name]), default="")
    if top_k is not None and some and top_k < len(some[most]):
        known, place = len(some[most]), f"teachers.{most}.classes"
        yield (
            _BANK,
            f"is {top_k}, but `{place}` names {known} classes, and the mean of the logits left "
            "out would mix classes that it knows with classes that it does not; make it "
            f"{known} at least, or none",
        )
    if "single_teachers" in recipe.controls and some:
        yield (
            "controls",
            f"has 'single_teachers', but a student taught by {listed(some, 'or')} of `teachers` "
            "alone would learn that only that teacher's classes exist; take it out of "
            "`controls`",
        )


class_rules = (_maps, _known_to_somebody)

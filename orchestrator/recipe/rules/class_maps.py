"""Rules about class maps: the class of each output of a teacher."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed
from teachers.weighting.specialists import Specialists

_MOST_NAMED = 10
"""Classes that one sentence names."""

_BANK = "ensemble.bank.top_k"
_WEIGHTING = "ensemble.weighting"


def _each_map(recipe: Recipe) -> Iterator[Finding]:
    """Problems of a class map for any transfer set."""
    for name, teacher in recipe.teachers.items():
        place, classes = f"teachers.{name}.classes", teacher.classes
        if classes is None:
            continue
        twice = sorted({each for each in classes if classes.count(each) > 1})
        if twice:
            yield (
                place,
                f"is {list(classes)}, which names {listed(map(str, twice))} more than once; name "
                "each class once, in the order of the outputs",
            )
        elif len(classes) < 2:
            yield (
                place,
                f"is {list(classes)}, but a teacher distinguishes two classes at least; name two "
                "or more, or leave it out for all",
            )


def _known_classes(recipe: Recipe) -> Iterator[Finding]:
    """Only where the number of classes is known without the data; else the deep check does it."""
    classes = recipe.transfer_set.class_count
    if classes is not None:
        yield from class_map_problems(recipe, classes)


def class_map_problems(recipe: Recipe, classes: int) -> Iterator[Finding]:
    """Problems of class maps in a transfer set of so many ``classes``."""
    if any(_each_map(recipe)):
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


def partial_teachers(recipe: Recipe, classes: int) -> dict[str, tuple[int, ...]]:
    """The teachers that do not know all ``classes``, each with the classes that it knows."""
    maps = {name: teacher.classes for name, teacher in recipe.teachers.items()}
    return {
        name: known for name, known in maps.items() if known is not None and len(known) < classes
    }


def _unknown(recipe: Recipe, classes: int) -> Iterator[Finding]:
    some = partial_teachers(recipe, classes)
    taught = any(term.needs_teachers and term.active for term in recipe.student.objective.values())
    if not taught or not some or len(some) < len(recipe.teachers):
        return
    missing = sorted(set(range(classes)) - {each for known in some.values() for each in known})
    if missing:
        yield (
            "teachers",
            f"have `classes` that leave out {_few(missing)}, so no teacher would teach them; add "
            "a teacher that knows them, or one that knows all classes",
        )


def _few(classes: list[int]) -> str:
    named = [str(each) for each in classes[:_MOST_NAMED]]
    more = len(classes) - len(named)
    return listed([*named, f"{more} more"] if more else named)


def _of_some(recipe: Recipe, classes: int) -> Iterator[Finding]:
    """Settings that need, or exclude, teachers that know only some of the classes."""
    some = partial_teachers(recipe, classes)
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
            f"out would mix classes that it knows with classes that it does not; make it {known} "
            "at least, or none",
        )
    if "single_teachers" in recipe.controls and some:
        yield (
            "controls",
            f"has 'single_teachers', but a student taught by {listed(some, 'or')} of `teachers` "
            "alone would learn that only that teacher's classes exist; take it out of `controls`",
        )


class_rules = (_each_map, _known_classes)

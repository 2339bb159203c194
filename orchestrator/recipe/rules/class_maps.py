"""Rules about class maps: the class of each output of a teacher."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed
from teachers.weighting.specialists import Specialists

_MOST_NAMED = 10
"""Classes that one sentence names."""


def _each_map(recipe: Recipe) -> Iterator[str]:
    """Problems of a class map for any transfer set."""
    for name, teacher in recipe.teachers.items():
        classes = teacher.classes
        if classes is None:
            continue
        twice = sorted({each for each in classes if classes.count(each) > 1})
        if twice:
            yield (
                f"`teachers.{name}.classes` is {list(classes)}, which names "
                f"{listed(map(str, twice))} more than once; name each class once, in the order of "
                "the outputs"
            )
        elif len(classes) < 2:
            yield (
                f"`teachers.{name}.classes` is {list(classes)}, but a teacher distinguishes two "
                "classes at least; name two or more, or leave it out for all"
            )


def class_map_problems(recipe: Recipe, classes: int | None = None) -> Iterator[str]:
    """Problems of class maps; ``classes`` is their number where only the data show it."""
    classes = classes or recipe.transfer_set.class_count
    if classes is None or any(_each_map(recipe)):
        return
    maps = {name: teacher.classes for name, teacher in recipe.teachers.items()}
    beyond = {name: [c for c in known or () if c >= classes] for name, known in maps.items()}
    for name, over in beyond.items():
        if over:
            yield (
                f"`teachers.{name}.classes` names {listed(map(str, over))}, but the classes of "
                f"{recipe.transfer_set.kind} are 0 to {classes - 1}; take it out"
            )
    if not any(beyond.values()):
        some = {name: known for name, known in maps.items() if known and len(known) < classes}
        yield from _unknown(recipe, some, classes)
        yield from _of_some(recipe, some, classes)


def _unknown(recipe: Recipe, some: dict[str, tuple[int, ...]], classes: int) -> Iterator[str]:
    """Classes that no teacher covers; ``some`` has the teachers that do not cover all."""
    if not some or len(some) < len(recipe.teachers) or not recipe.uses_teachers:
        return
    missing = sorted(set(range(classes)).difference(*some.values()))
    if missing:
        left_out = listed(map(str, missing), most=_MOST_NAMED)
        yield (
            f"`teachers` have `classes` that leave out {left_out}, so no teacher would teach them; "
            "add a teacher that covers them, or one that covers all classes"
        )


def _of_some(recipe: Recipe, some: dict[str, tuple[int, ...]], classes: int) -> Iterator[str]:
    """Settings that need, or exclude, teachers that cover only some of the classes."""
    if isinstance(recipe.ensemble.weighting, Specialists) and recipe.teachers and not some:
        yield (
            f"`ensemble.weighting` is specialists, but each of `teachers` covers all {classes} "
            "classes, so all would have the same weight; choose uniform, or list in a teacher's "
            "`classes` those that it covers"
        )
    top_k, most = recipe.ensemble.top_k, max(some, key=lambda name: len(some[name]), default="")
    if top_k is not None and some and top_k < len(some[most]):
        known = len(some[most])
        yield (
            f"`ensemble.bank.top_k` is {top_k}, but `teachers.{most}.classes` names {known} "
            "classes, and the mean of the logits left out would mix classes that it covers with "
            f"classes that it does not; make it {known} at least, or none"
        )
    if "single_teachers" in recipe.controls and some:
        yield (
            f"`controls` has 'single_teachers', but a student taught by {listed(some, 'or')} of "
            "`teachers` alone would learn that only that teacher's classes exist; take it out of "
            "`controls`"
        )


class_rules = (_each_map, class_map_problems)

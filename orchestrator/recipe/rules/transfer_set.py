"""Rules about the transfer set: its parts, augmentation, the samples that a batch can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed


def _parts(recipe: Recipe) -> Iterator[Finding]:
    validation = recipe.transfer_set.validation
    samples = recipe.transfer_set.training_count
    if samples is not None and isinstance(validation, int) and validation >= samples:
        yield (
            "transfer_set.validation",
            f"is {validation}, but {recipe.transfer_set.kind} has {samples} training samples; "
            "lower it",
        )
    if validation == "none" and recipe.evaluate.prior_correction != "none":
        yield (
            "evaluate.prior_correction",
            f"is '{recipe.evaluate.prior_correction}', which needs validation images, but "
            "`transfer_set.validation` is 'none'; give it a share",
        )


def _omitted(recipe: Recipe) -> Iterator[Finding]:
    omit, classes = recipe.transfer_set.omit, recipe.transfer_set.class_count
    place = "transfer_set.omit"
    if classes is None:
        return
    beyond = [each for each in omit if each >= classes]
    if beyond:
        yield (
            place,
            f"names {listed(map(str, beyond))}, but the classes of {recipe.transfer_set.kind} are "
            f"0 to {classes - 1}; take it out",
        )
    if len(set(omit) - set(beyond)) == classes:
        yield place, "names every class; leave one for the student"


def _views(recipe: Recipe) -> Iterator[Finding]:
    views = recipe.transfer_set.views
    trained = [teacher.train for teacher in recipe.teachers.values() if teacher.train is not None]
    augments = [recipe.transfer_set.augment, *(train.augment for train in trained)]
    if views != "all" and not any(each is not None and each.changes for each in augments):
        yield (
            "transfer_set.views",
            f"is {views}, which has no effect while `transfer_set.augment` changes nothing; take "
            "one out or choose an augmentation",
        )


def _batches(recipe: Recipe) -> Iterator[Finding]:
    """Only where the number of samples is known without the data; else the deep check counts."""
    given = recipe.transfer_set.fraction
    student = recipe.student.train
    yield from _batch(recipe, "student.train", student.batch_size, "transfer_set.fraction", given)
    for name, teacher in recipe.teachers.items():
        train = teacher.train
        if train is not None:
            place = f"teachers.{name}.train"
            yield from _batch(recipe, place, train.batch_size, f"{place}.fraction", train.fraction)


def _batch(
    recipe: Recipe, place: str, batch: int, share_place: str, share: float
) -> Iterator[Finding]:
    most = _most_samples(recipe, share)
    if most is not None and batch > most:
        yield (
            f"{place}.batch_size",
            f"is {batch}, but {recipe.transfer_set.kind} has no more than {most} samples under "
            f"`transfer_set.validation` and `{share_place}`; lower it",
        )


def _most_samples(recipe: Recipe, share: float) -> int | None:
    """An upper bound: a share is taken per class, and each may be rounded up."""
    validation, classes = recipe.transfer_set.validation, recipe.transfer_set.class_count
    training = recipe.transfer_set.training_count
    if training is None or classes is None:
        return None
    if isinstance(validation, int):
        training = max(0, training - validation)
    elif isinstance(validation, float):
        training = math.ceil(training * (1 - validation)) + classes
    if share == 1.0:
        return training
    return min(training, math.ceil(training * share) + classes)


sample_rules = (_parts, _omitted, _views, _batches)

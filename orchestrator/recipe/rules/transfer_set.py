"""Rules about the transfer set: its parts, augmentation, the samples that a batch can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed
from orchestrator.recipe.rules.training import trainings
from teachers.config import TeacherTrain


def _parts(recipe: Recipe) -> Iterator[str]:
    validation = recipe.transfer_set.validation
    samples = recipe.transfer_set.training_count
    if samples is not None and isinstance(validation, int) and validation >= samples:
        yield (
            f"`transfer_set.validation` is {validation}, but {recipe.transfer_set.kind} has "
            f"{samples} training samples; lower it"
        )
    if validation == "none" and recipe.evaluate.prior_correction != "none":
        yield (
            f"`evaluate.prior_correction` is '{recipe.evaluate.prior_correction}', which needs "
            "validation images, but `transfer_set.validation` is 'none'; give it a share"
        )


def omitted_problems(recipe: Recipe, classes: int | None = None) -> Iterator[str]:
    """Problems of the classes left out; ``classes`` is the number of all classes where only the
    data show it."""
    classes = classes or recipe.transfer_set.class_count
    if classes is None:
        return
    omit = recipe.transfer_set.omit
    beyond = [each for each in omit if each >= classes]
    if beyond:
        yield (
            f"`transfer_set.omit` names {listed(map(str, beyond))}, but the classes of "
            f"{recipe.transfer_set.kind} are 0 to {classes - 1}; take it out"
        )
    if len(set(omit) - set(beyond)) == classes:
        yield "`transfer_set.omit` names every class; leave one for the student"


def _views(recipe: Recipe) -> Iterator[str]:
    views = recipe.transfer_set.views
    trained = [train for _, train, _ in trainings(recipe) if isinstance(train, TeacherTrain)]
    augments = [recipe.transfer_set.augment, *(train.augment for train in trained)]
    if views != "all" and not any(each is not None and each.changes for each in augments):
        yield (
            f"`transfer_set.views` is {views}, which has no effect while `transfer_set.augment` "
            "changes nothing; take one out or choose an augmentation"
        )


def _batches(recipe: Recipe) -> Iterator[str]:
    """Only where the number of samples is known without the data; else the deep check counts."""
    for place, train, _ in trainings(recipe):
        owner, share = "transfer_set", recipe.transfer_set.fraction
        if isinstance(train, TeacherTrain):
            owner, share = f"{place}.train", train.fraction
        most = _most_samples(recipe, share)
        if most and train.batch_size > most:  # Where none are left, the validation part is wrong.
            yield (
                f"`{place}.train.batch_size` is {train.batch_size}, but "
                f"{recipe.transfer_set.kind} has no more than {most} samples under "
                f"`transfer_set.validation` and `{owner}.fraction`; lower it"
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


sample_rules = (_parts, omitted_problems, _views, _batches)

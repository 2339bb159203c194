"""Rules about how a model is trained: batches, learning rates, optimizers."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Problem
from orchestrator.recipe.message_text import listed
from students.config import EngineConfig, Sgd, StepDecay, TrainConfig


def trainings(recipe: Recipe) -> Iterator[tuple[str, TrainConfig, EngineConfig]]:
    """Each model that is trained: the place of its section, how, and on what engine."""
    for name, teacher in recipe.teachers.items():
        if teacher.train is not None:
            yield f"teachers.{name}", teacher.train, teacher.engine
    yield "student", recipe.student.train, recipe.student.engine


def _micro_batches(recipe: Recipe) -> Iterator[Problem]:
    for place, train, engine in trainings(recipe):
        if train.batch_size % (engine.ranks * train.micro):
            yield Problem(
                f"{place}.train.batch_size",
                f"`{place}.train.batch_size` is {train.batch_size}, which `{place}.engine.ranks` "
                f"({engine.ranks}) times `{place}.train.micro_batch_size` ({train.micro}) do not "
                f"divide; {_divisor(train, engine)}",
            )


def _divisor(train: TrainConfig, engine: EngineConfig) -> str:
    share, left = divmod(train.batch_size, engine.ranks)
    if left or not share:
        batch = -(-train.batch_size // engine.ranks) * engine.ranks
        return f"make it {batch} and micro_batch_size {batch // engine.ranks}"
    fits = max(each for each in range(1, min(share, train.micro) + 1) if share % each == 0)
    return f"make micro_batch_size {fits}"


def _learning_rates(recipe: Recipe) -> Iterator[Problem]:
    for place, train, _ in trainings(recipe):
        schedule, where = train.lr_schedule, f"{place}.train.lr_schedule"
        epochs = f"`{place}.train.epochs`"
        if schedule.warmup > train.epochs:
            yield Problem(
                f"{where}.warmup",
                f"`{where}.warmup` is {schedule.warmup:g} epochs, but {epochs} is "
                f"{train.epochs}; shorten it",
            )
        if not isinstance(schedule, StepDecay):
            continue
        marks = schedule.milestones
        if list(marks) != sorted(set(marks)):
            yield Problem(
                f"{where}.milestones",
                f"`{where}.milestones` is {list(marks)}, which does not rise; write "
                f"{sorted(set(marks))}",
            )
        late = [str(mark) for mark in marks if mark >= train.epochs]
        if late:
            yield Problem(
                f"{where}.milestones",
                f"`{where}.milestones` has {listed(late)}, which has no effect, since {epochs} "
                f"is {train.epochs}; take it out or train longer",
            )


def _optimizers(recipe: Recipe) -> Iterator[Problem]:
    for place, train, _ in trainings(recipe):
        optimizer, where = train.optimizer, f"{place}.train.optimizer"
        if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
            yield Problem(
                f"{where}.nesterov",
                f"`{where}.nesterov` is true, but `{where}.momentum` is 0; give a momentum or "
                f"take it out",
            )


training_rules = (_micro_batches, _learning_rates, _optimizers)

"""Rules about how and where a model is trained: batches, learning rates, optimizers, engines."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import Recipe
from orchestrator.errors import Finding
from orchestrator.recipe.message_text import listed, shown
from students.config import EngineConfig, TrainConfig
from students.engines.deepspeed_settings import owned_settings
from students.lr_schedule import StepDecay
from students.optimizers import Sgd


def trainings(recipe: Recipe) -> Iterator[tuple[str, TrainConfig, EngineConfig]]:
    """Each model that is trained: the place of its section, its training, its engine."""
    for name, teacher in recipe.teachers.items():
        if teacher.train is not None:
            yield f"teachers.{name}", teacher.train, teacher.engine
    yield "student", recipe.student.train, recipe.student.engine


def _micro_batches(recipe: Recipe) -> Iterator[Finding]:
    for place, train, engine in trainings(recipe):
        if train.batch_size % (engine.ranks * train.micro):
            yield (
                f"{place}.train.batch_size",
                f"is {train.batch_size}, which `{place}.engine.ranks` ({engine.ranks}) times "
                f"`{place}.train.micro_batch_size` ({train.micro}) do not divide; "
                f"{_divisor(train, engine)}",
            )


def _divisor(train: TrainConfig, engine: EngineConfig) -> str:
    share, left = divmod(train.batch_size, engine.ranks)
    if left or not share:
        batch = -(-train.batch_size // engine.ranks) * engine.ranks
        return f"make it {batch} and micro_batch_size {batch // engine.ranks}"
    fits = max(each for each in range(1, min(share, train.micro) + 1) if share % each == 0)
    return f"make micro_batch_size {fits}"


def _learning_rates(recipe: Recipe) -> Iterator[Finding]:
    for place, train, _ in trainings(recipe):
        schedule, where = train.lr_schedule, f"{place}.train.lr_schedule"
        epochs = f"`{place}.train.epochs`"
        if schedule.warmup > train.epochs:
            yield (
                f"{where}.warmup",
                f"is {schedule.warmup:g} epochs, but {epochs} is {train.epochs}; shorten it",
            )
        if not isinstance(schedule, StepDecay):
            continue
        marks = schedule.milestones
        if list(marks) != sorted(set(marks)):
            yield (
                f"{where}.milestones",
                f"is {list(marks)}, which does not increase; write {sorted(set(marks))}",
            )
        late = [str(mark) for mark in marks if mark >= train.epochs]
        if late:
            yield (
                f"{where}.milestones",
                f"has {listed(late)}, which has no effect, since {epochs} is {train.epochs}; take "
                "it out or train longer",
            )


def _optimizers(recipe: Recipe) -> Iterator[Finding]:
    for place, train, _ in trainings(recipe):
        optimizer, where = train.optimizer, f"{place}.train.optimizer"
        if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
            yield (
                f"{where}.nesterov",
                f"is true, but `{where}.momentum` is 0; give a momentum or take it out",
            )


def _deepspeed_keys(recipe: Recipe) -> Iterator[Finding]:
    for place, _, engine in trainings(recipe):
        where = f"{place}.engine.deepspeed"
        for path, value, reason in owned_settings(engine.deepspeed):
            yield (
                f"{where}.{path}",
                f"is {shown(value)}, but the recipe sets it elsewhere ({reason}); take it out",
            )


def _torch_engine(recipe: Recipe) -> Iterator[Finding]:
    default = EngineConfig()
    for place, _, engine in trainings(recipe):
        if engine.kind != "torch":
            continue
        for name in ("zero_stage", "deepspeed"):
            value = getattr(engine, name)
            if value != getattr(default, name):
                yield (
                    f"{place}.engine.{name}",
                    f"is {shown(value)}, which has no effect while `{place}.engine.kind` is "
                    "'torch'; take it out or choose deepspeed",
                )


def _one_process(recipe: Recipe) -> Iterator[Finding]:
    if recipe.cluster.mode != "in_process":
        return
    counts = [(f"{place}.engine.ranks", engine.ranks) for place, _, engine in trainings(recipe)]
    counts += [(f"teachers.{name}.replicas", one.replicas) for name, one in recipe.teachers.items()]
    for place, count in counts:
        if count > 1:
            yield (
                place,
                f"is {count}, but `cluster.mode` in_process runs one process; make it 1 or choose "
                "local",
            )


training_rules = (
    _micro_batches,
    _learning_rates,
    _optimizers,
    _deepspeed_keys,
    _torch_engine,
    _one_process,
)

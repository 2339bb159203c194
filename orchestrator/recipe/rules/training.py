"""Rules about how and where a model is trained: weights of terms over the epochs, batches,
learning rates, optimizers, engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.config import Recipe
from orchestrator.recipe.message_text import listed, shown
from students.config import EngineConfig, StudentConfig, TrainConfig
from students.engines.deepspeed_settings import owned_settings
from students.lr_schedule import StepDecay
from students.objectives.term import Term
from students.objectives.weight_schedule import LinearWeight, StopWeight, weight_at
from students.optimizers import Sgd

_MOST_DECAY = 0.1
"""The share of every weight that one step may take off."""


def trainings(recipe: Recipe) -> Iterator[tuple[str, TrainConfig, EngineConfig]]:
    """Each model that is trained: the place of its section, its training, its engine. One that is
    trained as the student is not listed again."""
    student = recipe.student
    for place, owner in (recipe.models | recipe.taught).items():
        as_student = (owner.train, owner.engine) == (student.train, student.engine)
        if owner.train is not None and (place == "student" or not as_student):
            yield place, owner.train, owner.engine


def objectives(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Term], str, int]]:
    """Each objective with its place, then the place and number of its epochs."""
    for name, teacher in recipe.teachers.items():
        if teacher.train is not None:
            train, place = teacher.train, f"teachers.{name}.train"
            last = "epochs" if train.stop_epoch is None else "stop_epoch"
            yield f"{place}.objective", train.objective, f"{place}.{last}", train.last_epoch
    for place, config in taught(recipe):
        yield f"{place}.objective", config.objective, f"{place}.train.epochs", config.train.epochs


def taught(recipe: Recipe) -> Iterator[tuple[str, StudentConfig]]:
    """Each model that is taught, by its place. One that is taught as the student is not listed
    again."""
    student = recipe.student
    for place, config in recipe.taught.items():
        as_student = (config.objective, config.train) == (student.objective, student.train)
        if place == "student" or not as_student:
            yield place, config


def inactive_epochs(terms: Mapping[str, Term], epochs: int) -> list[int]:
    """The epochs, of so many, in which no term has a weight above zero."""
    weights = [term.weight for term in terms.values()]
    return [e for e in range(epochs) if not any(weight_at(each, e) > 0 for each in weights)]


def _weights(recipe: Recipe) -> Iterator[str]:
    for place, terms, _, epochs in objectives(recipe):
        inactive = inactive_epochs(terms, epochs)
        if not terms:
            yield f"`{place}` is empty; give it a term, such as task: {{weight: 1.0}}"
        elif not any(term.active for term in terms.values()):
            yield (
                f"`{place}` has weight 0 for {listed(terms)}, so nothing would be learned; give a "
                "term a weight above 0"
            )
        elif 0 < len(inactive) < epochs:
            more = f" to {inactive[-1]}" if len(inactive) > 1 else ""
            yield (
                f"`{place}` has weight 0 for {listed(terms)} in epoch{'s' if more else ''} "
                f"{inactive[0]}{more} (the first is 0), so nothing would be learned then; give a "
                "term a weight above 0 there"
            )


def _weight_schedules(recipe: Recipe) -> Iterator[str]:
    for place, terms, where, epochs in objectives(recipe):
        for name, term in terms.items():
            yield from _weight_schedule(f"{place}.{name}.weight", term, where, epochs)


def _weight_schedule(place: str, term: Term, where: str, epochs: int) -> Iterator[str]:
    weight = term.weight
    if isinstance(weight, StopWeight) and weight.epoch >= epochs:
        yield (
            f"`{place}.epoch` is {weight.epoch}, which has no effect, since `{where}` is {epochs} "
            f"and the first epoch is 0; make it less than {epochs}, or write {weight.value:g} alone"
        )
    elif (isinstance(weight, LinearWeight) and weight.start == weight.end) or (
        isinstance(weight, StopWeight) and weight.value == weight.after
    ):
        value = weight_at(weight, 0)
        yield (
            f"`{place}` is {value:g} in every epoch, so a schedule has no effect; write {value:g} "
            "alone"
        )
    elif term.active and not any(weight_at(weight, epoch) > 0 for epoch in range(epochs)):
        yield (
            f"`{place}` is 0 in each epoch that `{where}` ({epochs}) has; train longer, or begin "
            "above 0"
        )


def _micro_batches(recipe: Recipe) -> Iterator[str]:
    for place, train, engine in trainings(recipe):
        if train.batch_size % (engine.ranks * train.micro):
            yield (
                f"`{place}.train.batch_size` is {train.batch_size}, which `{place}.engine.ranks` "
                f"({engine.ranks}) times `{place}.train.micro_batch_size` ({train.micro}) do not "
                f"divide; {_divisor(train, engine)}"
            )


def _divisor(train: TrainConfig, engine: EngineConfig) -> str:
    share, left = divmod(train.batch_size, engine.ranks)
    if left or not share:
        batch = -(-train.batch_size // engine.ranks) * engine.ranks
        return f"make it {batch} and micro_batch_size {batch // engine.ranks}"
    fits = max(each for each in range(1, min(share, train.micro) + 1) if share % each == 0)
    return f"make micro_batch_size {fits}"


def _stops(recipe: Recipe) -> Iterator[str]:
    for name, teacher in recipe.teachers.items():
        train, place = teacher.train, f"teachers.{name}.train"
        if train is not None and train.stop_epoch is not None and train.stop_epoch > train.epochs:
            yield (
                f"`{place}.stop_epoch` is {train.stop_epoch}, but `{place}.epochs` is "
                f"{train.epochs}; lower it, or take it out to train them all"
            )


def _learning_rates(recipe: Recipe) -> Iterator[str]:
    for place, train, _ in trainings(recipe):
        schedule, where = train.lr_schedule, f"{place}.train.lr_schedule"
        epochs = f"`{place}.train.epochs` is {train.epochs}"
        if schedule.warmup > train.epochs:
            yield f"`{where}.warmup` is {schedule.warmup:g} epochs, but {epochs}; shorten it"
        if not isinstance(schedule, StepDecay):
            continue
        marks = schedule.milestones
        if list(marks) != sorted(set(marks)):
            yield (
                f"`{where}.milestones` is {list(marks)}, which does not increase; write "
                f"{sorted(set(marks))}"
            )
        late = [str(mark) for mark in marks if mark >= train.epochs]
        if late:
            yield (
                f"`{where}.milestones` has {listed(late)}, which has no effect, since {epochs}; "
                "take it out or train longer"
            )


def _optimizers(recipe: Recipe) -> Iterator[str]:
    for place, train, _ in trainings(recipe):
        optimizer, where = train.optimizer, f"{place}.train.optimizer"
        if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
            yield (
                f"`{where}.nesterov` is true, but `{where}.momentum` is 0; give a momentum or "
                "take it out"
            )
        taken_off = optimizer.lr * optimizer.weight_decay
        if taken_off >= _MOST_DECAY:
            yield (
                f"`{where}.weight_decay` is {optimizer.weight_decay:g}, which times `{where}.lr` "
                f"({optimizer.lr:g}) takes {taken_off:.0%} off every weight at each step; lower it "
                "(0.0005 is usual for sgd, 0.01 for adamw)"
            )


def _engines(recipe: Recipe) -> Iterator[str]:
    for place, _, engine in trainings(recipe):
        for path, value, reason in owned_settings(engine.deepspeed):
            yield (
                f"`{place}.engine.deepspeed.{path}` is {shown(value)}, but the recipe sets it "
                f"elsewhere ({reason}); take it out"
            )
        for name in ("zero_stage", "deepspeed"):
            value = getattr(engine, name)
            if engine.kind == "torch" and value != getattr(EngineConfig(), name):
                yield (
                    f"`{place}.engine.{name}` is {shown(value)}, which has no effect while "
                    f"`{place}.engine.kind` is 'torch'; take it out or choose deepspeed"
                )


def _one_process(recipe: Recipe) -> Iterator[str]:
    if recipe.cluster.mode != "in_process":
        return
    counts = {f"{place}.engine.ranks": engine.ranks for place, _, engine in trainings(recipe)}
    counts |= {f"teachers.{name}.replicas": one.replicas for name, one in recipe.teachers.items()}
    for place, count in counts.items():
        if count > 1:
            yield (
                f"`{place}` is {count}, but `cluster.mode` in_process runs one process; make it 1 "
                "or choose local"
            )


training_rules = (
    _weights,
    _weight_schedules,
    _micro_batches,
    _stops,
    _learning_rates,
    _optimizers,
    _engines,
    _one_process,
)

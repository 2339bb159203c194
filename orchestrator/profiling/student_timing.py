"""Times a pupil's steps in this process, with the trainer that a run trains it with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from orchestrator.profiling.stage_estimate import StudentCosts
from students.config import CheckpointConfig, EngineConfig
from students.engines.catalog import build_engine
from students.engines.engine import Group
from students.evaluation.evaluate import BATCH as VALIDATION_BATCH
from students.events import EpochReport
from students.knowledge import KnowledgeSource
from students.objectives.objective import build_objective
from students.objectives.term import Term
from students.randomness import generator
from students.specs import Assignment, StudentSpec
from students.storage.attempts import begin_attempt
from students.storage.checkpoint import CheckpointFolder
from students.torch_state import computing_on
from students.training.build import build_learner, sample_ids
from students.training.trainer import Trainer
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.config import NoAugment
from students.transfer_sets.sampler import Ids, Order
from students.transfer_sets.transfer_set import TransferSet

NEVER = 10**9
"""Steps to the next checkpoint, and epochs, of a training that is broken off when it was timed."""
STEPS = 2
"""Steps of one epoch, after each of which the clock is looked at."""


class DrawnOrder(Order):
    """Samples drawn from all there are, in short epochs; else the order of a run."""

    @property
    def steps_per_epoch(self) -> int:
        """Few enough."""
        return STEPS

    def epoch_ids(self, epoch: int) -> Ids:
        """The ids of ``STEPS`` batches."""
        random = generator(self.seed, "order", epoch)
        drawn: Ids = random.choice(self.sample_ids, STEPS * self.batch_size)
        return drawn


class TimedStudent:
    """One rank of a pupil, which trains a turn at a time.

    It trains on the torch engine, on samples and views as in the run; all that it writes lies in
    ``work``. ``task.pupil.engine.ranks`` share a batch, so this rank has its share of it.
    """

    def __init__(
        self, task: Assignment, transfer_set: TransferSet, lessons: KnowledgeSource, work: Path
    ) -> None:
        self._ranks = task.spec.engine.ranks
        self.task = replace(task, spec=one_rank(task.spec), group=Group())
        self._transfer_set = transfer_set
        self._work = work
        spec = self.task.spec
        objective = build_objective(
            in_every_epoch(spec.objective),
            temperature=spec.temperature,
            mean=spec.mean,
            teachers=task.teachers,
            gate=spec.gate,
        )
        with computing_on(task.threads):
            self._engine = build_engine(
                spec.engine,
                spec.train,
                build_learner(self.task, transfer_set, objective.guided),
                group=self.task.group,
                device=task.device,
                accumulation=spec.train.batch_size // spec.train.micro,
                state=None,
            )
        trainer = Trainer(
            spec=spec,
            engine=self._engine,
            objective=objective,
            transfer_set=some_classes(without_validation(transfer_set), spec.samples.classes),
            order=DrawnOrder(
                sample_ids(transfer_set, spec.samples),
                spec.train.batch_size,
                spec.train.micro,
                spec.train.epochs,
                spec.seed,
                partial(transfer_set.view_of, augment=spec.samples.augment),
            ),
            knowledge_source=lessons,
            checkpoints=CheckpointFolder(work, 1, 1),
            step_log=None,
        )
        self._events = trainer.train()
        self._steps = 0
        self.rates: list[float] = []

    def take_turn(self, seconds: float) -> None:
        """Trains for about so long, and notes the samples/s; the first turn warms up."""
        done, began = 0, time.perf_counter()
        with computing_on(self.task.threads):
            while done == 0 or time.perf_counter() - began < seconds:
                next(event for event in self._events if isinstance(event, EpochReport))
                done += STEPS
            self._synchronise()
        spent = time.perf_counter() - began
        if self._steps:
            self.rates.append(done * self.task.spec.train.batch_size / spent)
        self._steps += done

    def costs(self) -> StudentCosts:
        """What the turns say, of which there were two at least."""
        return StudentCosts(
            median(self.rates),
            self._asking_rate(),
            self._commit_seconds(),
            self.task.threads,
            self._ranks,
        )

    def _asking_rate(self) -> float:
        ids = self._transfer_set.test_ids()[:VALIDATION_BATCH]
        batch = self._transfer_set.batch(ids, 0, augment=NoAugment(), student_labels=False)
        inputs = batch.inputs.to(self._engine.device)
        with computing_on(self.task.threads), self._engine.evaluating():
            self._engine.forward(inputs)
            began = time.perf_counter()
            self._engine.forward(inputs)
            self._synchronise()
            seconds = time.perf_counter() - began
        return len(ids) / seconds

    def _commit_seconds(self) -> float:
        checkpoints = CheckpointFolder(self._work, begin_attempt(self._work), 1)
        began = time.perf_counter()
        checkpoints.commit(self._engine.state(), {}, step=self._steps)
        return time.perf_counter() - began

    def _synchronise(self) -> None:
        if self._engine.device.type == "cuda":
            torch.cuda.synchronize(self._engine.device)

    def close(self) -> None:
        """Ends the training in the middle."""
        self._events.close()  # type: ignore[attr-defined]
        self._engine.close()


def one_rank(spec: StudentSpec) -> StudentSpec:
    """The pupil as one of its ranks trains it, on torch and without checkpoints."""
    batch_size = spec.train.batch_size // spec.engine.ranks
    changed = {
        "batch_size": batch_size,
        "micro_batch_size": spec.train.micro,
        "epochs": NEVER,
        "checkpoint": CheckpointConfig(every=NEVER),
    }
    train = spec.train.model_copy(update=changed)
    return replace(spec, train=train, engine=EngineConfig(kind="torch"))


def in_every_epoch(objective: Mapping[str, Term]) -> dict[str, Term]:
    """The terms with weights that do not change: a turn has no epochs as the run has them."""
    return {
        name: term
        if isinstance(term.weight, (int, float))
        else term.model_copy(update={"weight": 1.0})
        for name, term in objective.items()
    }


def without_validation(transfer_set: TransferSet) -> TransferSet:
    """The same pictures, so that the end of an epoch takes no time."""
    config = transfer_set.config.model_copy(update={"validation": "none"})
    return replace(transfer_set, config=config)

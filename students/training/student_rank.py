"""One rank of a student in training, from assignment to outcome: the role a runtime starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from students.engines.catalog import build_engine
from students.engines.engine import Engine, EngineState
from students.evaluation.evaluate import evaluate
from students.evaluation.learning_curve import learning_curve
from students.events import Event, Warned
from students.knowledge import AnswerCounts, KnowledgeSource
from students.objectives.objective import Objective, build_objective
from students.specs import Assignment
from students.storage.checkpoint import CheckpointFolder
from students.storage.outcome import Outcome, write_outcome
from students.storage.step_log import StepLogWriter, read_committed
from students.torch_state import computing_on
from students.training.build import (
    build_learner,
    deployed_weights,
    sample_ids,
    student_network,
)
from students.training.trainer import Progress, Trainer
from students.training.warning_relay import noticing
from students.training.weighting_stats import WeightingStats
from students.training.weighting_stats_buffer import WeightingStatsBuffer
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.class_subset import some_classes
from students.transfer_sets.sampler import Order
from students.transfer_sets.transfer_set import TransferSet

log = logging.getLogger("stillhouse.student")


class StudentRank:
    """Builds everything that one rank needs, trains, and (rank 0) leaves the outcome."""

    def __init__(self, assignment: Assignment, lessons: KnowledgeSource) -> None:
        self.assignment = assignment
        self.lessons = lessons

    def train(self) -> Iterator[Event]:
        """Trains to the end, going on from the last committed checkpoint; tells what happens."""
        with computing_on(self.assignment.threads), noticing() as notices:
            for event in self._train():
                yield from map(Warned, notices.taken())
                yield event

    def _train(self) -> Iterator[Event]:
        began, task = time.monotonic(), self.assignment
        transfer_set = load_transfer_set(task.transfer_set, folder=task.folder, cache=task.cache)
        objective = build_objective(
            task.spec.objective,
            temperature=task.spec.temperature,
            mean=task.spec.mean,
            teachers=task.teachers,
            gate=task.spec.gate,
        )
        checkpoints = CheckpointFolder(
            task.stage_folder, task.attempt, task.spec.train.checkpoint.keep
        )
        found = checkpoints.latest(tell=log.warning)
        progress = Progress() if found is None else progress_from(found.progress)
        engine = self._engine(transfer_set, objective, None if found is None else found.load())
        try:
            trainer = self._trainer(engine, objective, transfer_set, checkpoints, progress)
            with trainer.step_log or nullcontext():
                yield from trainer.train()
            answers = counted(self.lessons.counts(), engine)
            final = engine.state()
        finally:
            engine.close()
        if trainer.step_log is not None:
            seconds = time.monotonic() - began
            self._leave_outcome(transfer_set, final, trainer, answers, seconds)

    def follow(self) -> None:
        """Trains to the end as a rank that nobody listens to."""
        for _ in self.train():
            pass

    def _engine(
        self, transfer_set: TransferSet, objective: Objective, state: EngineState | None
    ) -> Engine:
        task, train = self.assignment, self.assignment.spec.train
        return build_engine(
            task.spec.engine,
            train,
            build_learner(task, transfer_set, objective.guided),
            group=task.group,
            device=task.device,
            accumulation=train.batch_size // (train.micro * task.group.ranks),
            state=state,
        )

    def _trainer(
        self,
        engine: Engine,
        objective: Objective,
        transfer_set: TransferSet,
        checkpoints: CheckpointFolder,
        progress: Progress,
    ) -> Trainer:
        task, spec = self.assignment, self.assignment.spec
        leads = task.group.rank == 0
        order = Order(
            sample_ids(transfer_set, spec.samples),
            spec.train.batch_size,
            spec.train.micro,
            spec.train.epochs,
            spec.seed,
            partial(transfer_set.view_of, augment=spec.samples.augment),
        )
        return Trainer(
            engine=engine,
            objective=objective,
            transfer_set=some_classes(transfer_set, spec.samples.classes),
            augment=spec.samples.augment,
            order=order,
            lessons=self.lessons,
            config=spec.train,
            seed=spec.seed,
            attempt=task.attempt,
            checkpoints=checkpoints,
            step_log=StepLogWriter(task.stage_folder, task.attempt) if leads else None,
            labels_of_student=spec.samples.audience == "student",
            progress=progress,
            fault=task.fault if leads else None,
            notes=self._notes(transfer_set),
        )

    def _notes(self, transfer_set: TransferSet) -> WeightingStatsBuffer | None:
        task, spec = self.assignment, self.assignment.spec
        if not spec.tracks_weights:
            return None
        classes = transfer_set.classes
        return WeightingStatsBuffer(
            WeightingStats(task.teachers, classes, spec.temperature, spec.mean)
        )

    def _leave_outcome(
        self,
        transfer_set: TransferSet,
        state: EngineState,
        trainer: Trainer,
        answers: Mapping[str, AnswerCounts],
        seconds: float,
    ) -> None:
        task, progress = self.assignment, trainer.progress
        weights = deployed_weights(state)
        network = student_network(task, transfer_set)
        network.model.load_state_dict(weights)
        evaluation = evaluate(network, transfer_set)
        rows = read_committed(task.stage_folder, progress.segments)
        outcome = Outcome(
            **vars(evaluation.facts),
            steps=progress.step,
            skipped=progress.skipped,
            seconds=seconds,
            curve=learning_curve(rows, trainer.order.steps_per_epoch),
            segments=progress.segments,
            answers=answers,
        )
        write_outcome(
            task.stage_folder, task.attempt, outcome, weights=weights, answers=evaluation.answers
        )


def counted(counts: Mapping[str, AnswerCounts], engine: Engine) -> dict[str, AnswerCounts]:
    """The counts of this attempt, by teacher, over all ranks, each of which must ask."""
    if not counts:
        return {}
    own = torch.tensor([[each.read, each.asked, each.computed] for each in counts.values()])
    sums = engine.sum(own.double()).long().tolist()
    return {name: AnswerCounts(*each) for name, each in zip(counts, sums, strict=True)}


def progress_from(remembered: Mapping[str, Any]) -> Progress:
    """The progress that a checkpoint's manifest holds."""
    segments = tuple((int(attempt), int(offset)) for attempt, offset in remembered["segments"])
    heard = tuple(float(each) for each in remembered.get("heard", ()))
    return Progress(**{**remembered, "segments": segments, "heard": heard})

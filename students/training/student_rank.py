"""One rank of a student in training, from assignment to outcome: the role a runtime starts."""

from __future__ import annotations

import logging
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch

from students.custom_code import custom_code_errors
from students.engines.catalog import build_engine
from students.engines.engine import EngineSetup
from students.engines.state_tensors import EngineState
from students.evaluation.evaluate import evaluate
from students.events import Event, Warned
from students.fault_injection import planned_faults
from students.knowledge import AnswerCounts, KnowledgeSource
from students.objectives.objective import build_objective
from students.specs import Assignment
from students.storage.checkpoint import CheckpointFolder
from students.storage.outcome import (
    FinishedModel,
    learning_curve,
    write_extra,
    write_outcome,
)
from students.storage.step_log import StepLogWriter, read_committed
from students.torch_state import use_threads
from students.training.build import (
    build_learner,
    deployed_weights,
    sample_ids,
    student_network,
)
from students.training.trainer import Progress, Trainer
from students.training.warning_relay import collect_warnings
from students.training.weighting_stats import WeightingStats
from students.transfer_sets.catalog import load_planned
from students.transfer_sets.sampler import BatchSampler
from students.transfer_sets.transfer_set import TransferSet, some_classes

log = logging.getLogger("stillhouse.student")

_LIBRARY = sysconfig.get_path("stdlib") + "/"


@dataclass(frozen=True)
class Position:
    """Where a rank is in its code: ``file.py:12``, and whether it waits there for the others."""

    place: str
    in_collective: bool


class StudentRank:
    """Builds everything that one rank needs, trains, and (rank 0) writes the outcome."""

    def __init__(self, assignment: Assignment, knowledge_source: KnowledgeSource) -> None:
        self.assignment = assignment
        self.knowledge_source = knowledge_source
        self._thread = 0

    def train(self) -> Iterator[Event]:
        """Trains to the end, from the last committed checkpoint on; yields what happens.

        Raises:
            UserError: it cannot go on, as where the user's own code raises an error.
        """
        self._thread = threading.get_ident()
        spec, threads = self.assignment.spec, self.assignment.threads
        with use_threads(threads), custom_code_errors(spec.path), collect_warnings() as warnings:
            for event in self._train():
                while warnings:
                    yield Warned(warnings.popleft())
                yield event

    def position(self) -> Position:
        """Where training is; to be asked while it is under way."""
        frame = sys._current_frames().get(self._thread)
        if frame is None:
            return Position("its end", in_collective=False)
        frames = traceback.extract_stack(frame)
        waits = any("torch/distributed/" in each.filename for each in frames)
        # What Python's own library does there says less than who has called it.
        own = [each for each in frames if not each.filename.startswith((_LIBRARY, "<frozen"))]
        return Position(f"{own[-1].filename}:{own[-1].lineno}", waits)

    def follow(self) -> None:
        """Trains to the end as a rank other than 0, whose events are not used."""
        for _ in self.train():
            pass

    def _train(self) -> Iterator[Event]:
        began, assignment = time.monotonic(), self.assignment
        transfer_set = load_planned(assignment.data)
        trainer = self._trainer(transfer_set)
        try:
            with trainer.step_log or nullcontext():
                yield from trainer.train()
            final = trainer.engine.state()
        finally:
            trainer.engine.close()
        if trainer.step_log is not None:
            seconds = time.monotonic() - began
            self._write_outcome(transfer_set, final, trainer, seconds)

    def _trainer(self, transfer_set: TransferSet) -> Trainer:
        """The trainer, which goes on from the last committed checkpoint; close its engine."""
        assignment, spec, group = self.assignment, self.assignment.spec, self.assignment.group
        leads = group.rank == 0
        objective = build_objective(
            spec.objective,
            temperature=spec.temperature,
            mean=spec.mean,
            teachers=assignment.teachers,
            gate=spec.gate,
            seed=spec.seed,
        )
        checkpoints = CheckpointFolder(
            assignment.stage_folder, assignment.attempt, spec.train.checkpoint.keep
        )
        found = checkpoints.latest(warn=log.warning)
        stats = WeightingStats(
            assignment.teachers, transfer_set.classes, spec.temperature, spec.mean
        )
        sampler = BatchSampler(
            sample_ids(transfer_set, spec.samples),
            spec.train.batch_size,
            spec.train.micro,
            spec.train.last_epoch,
            spec.seed,
            partial(transfer_set.view_of, augment=spec.samples.augment),
        )
        setup = EngineSetup(
            spec.engine,
            spec.train,
            build_learner(assignment, transfer_set, objective.guided),
            group=group,
            device=torch.device(assignment.device),
            accumulation=sampler.micro_batches // group.ranks,
            state=None if found is None else found.load(),
        )
        return Trainer(
            spec=spec,
            objective=objective,
            transfer_set=some_classes(transfer_set, spec.samples.classes),
            sampler=sampler,
            knowledge_source=self.knowledge_source,
            checkpoints=checkpoints,
            step_log=StepLogWriter(assignment.stage_folder, assignment.attempt) if leads else None,
            progress=Progress() if found is None else Progress.from_json(found.progress),
            weighting_stats=stats if spec.tracks_weights else None,
            before_step=planned_faults(spec.path, group.rank),
            anchors=assignment.extras,
            on_anchor=partial(self._write_anchor, transfer_set),
            engine=build_engine(setup),  # the last of all, for from now on it has to be closed
        )

    def _write_outcome(
        self,
        transfer_set: TransferSet,
        state: EngineState,
        trainer: Trainer,
        seconds: float,
    ) -> None:
        folder, progress = self.assignment.stage_folder, trainer.progress
        model = self._evaluated(transfer_set, state)
        rows = read_committed(folder, progress.segments)
        outcome = replace(
            model.outcome,
            steps=progress.step,
            skipped=progress.skipped,
            seconds=seconds,
            curve=learning_curve(rows, trainer.sampler.steps_per_epoch),
            segments=progress.segments,
            answers={name: AnswerCounts(*each) for name, each in progress.answers.items()},
        )
        finished = {self.assignment.spec.name: replace(model, outcome=outcome)}
        write_outcome(folder, self.assignment.attempt, finished)

    def _write_anchor(self, transfer_set: TransferSet, epochs: int, state: EngineState) -> None:
        """Stores the model as it is after so many epochs."""
        assignment = self.assignment
        if assignment.group.rank == 0:
            model, name = self._evaluated(transfer_set, state), assignment.extras[epochs]
            write_extra(assignment.stage_folder, assignment.attempt, name, model)

    def _evaluated(self, transfer_set: TransferSet, state: EngineState) -> FinishedModel:
        """The deployed model of ``state``, with its logits on the validation part."""
        weights = deployed_weights(state)
        network = student_network(self.assignment.spec, transfer_set, self.assignment.data.folder)
        network.model.load_state_dict(weights)
        outcome, logits = evaluate(network, transfer_set)
        return FinishedModel(outcome, weights, logits)

"""The training loop: takes lessons, makes steps, validates, commits.

Where it waits:

| waits for            | in                      | who frees it                              |
|----------------------|-------------------------|-------------------------------------------|
| the next knowledge   | ``next(knowledge)``     | the lessons, within the teacher's timeout |
| the other ranks      | ``engine.step`` and all | the group's timeout for collectives       |
|                      | collective calls        |                                           |
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import attrgetter

import torch
from torch import Tensor

from students.config import TrainConfig
from students.engines.engine import Engine, StepResult
from students.errors import TrainingError
from students.evaluation.evaluate import validate
from students.events import Advanced, Committed, EpochReport, Event, Resumed, StepReport
from students.fault_injection import Fault
from students.knowledge import Batch, Knowledge, KnowledgeSource, Question
from students.objectives.objective import Objective
from students.objectives.term_gradients import gradient_norms
from students.randomness import seed_of
from students.storage.checkpoint import CheckpointFolder
from students.storage.step_log import StepLogWriter, extend_segments
from students.torch_state import seed_generators
from students.training.gate_freeze import GateFreeze
from students.training.lr_schedule import learning_rate
from students.training.max_norm import limited_to
from students.training.no_teachers import empty_knowledge
from students.training.weighting_stats import added
from students.training.weighting_stats_buffer import WeightingStatsBuffer
from students.transfer_sets.config import Augment
from students.transfer_sets.sampler import MicroBatch, Order
from students.transfer_sets.transfer_set import TransferSet

MOST_SKIPS_IN_A_ROW = 10
SECONDS_BETWEEN_SIGNS = 1.0


@dataclass
class Progress:
    """How far training has come: what a checkpoint remembers beside the engine's state.

    ``heard`` are this epoch's sums, over all ranks, of what was noted of the teachers.
    """

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    segments: tuple[tuple[int, int], ...] = ()
    heard: tuple[float, ...] = ()


@dataclass(frozen=True)
class MicroBatchResult:
    """What one micro-batch told, on the device: ``figures`` float64 [1 + terms], the loss and the
    terms that count in this epoch; ``gradients`` of these terms, in the first of an epoch."""

    figures: Tensor
    gradients: Mapping[str, Tensor]


@dataclass
class Trainer:
    """Trains one learner to the end of its order, as one rank of ``engine.group``.

    ``spool``, and with it every checkpoint, is rank 0's alone; ``labels_of_student`` says
    whether samples keep only the labels that the student is given (a teacher in training
    sees all of them). With ``notes`` each epoch's row tells who was listened to.
    """

    engine: Engine
    objective: Objective
    transfer_set: TransferSet
    augment: Augment
    order: Order
    lessons: KnowledgeSource
    config: TrainConfig
    seed: int
    attempt: int
    checkpoints: CheckpointFolder
    step_log: StepLogWriter | None
    labels_of_student: bool
    progress: Progress = field(default_factory=Progress)
    fault: Fault | None = None
    notes: WeightingStatsBuffer | None = None
    _standstill: GateFreeze = field(init=False)

    def __post_init__(self) -> None:
        self._standstill = GateFreeze(self.objective.gate)

    def train(self) -> Iterator[Event]:
        """Trains from where ``progress`` stands to the end; tells what happens.

        Raises:
            TrainingError: gradients were not finite ten times in a row.
        """
        yield Resumed(self.progress.step, self.order.total_steps, self.order.epochs)
        earlier, last_sign = self.progress.segments, time.monotonic()
        with self.lessons.ask(self._questions()) as knowledge:
            for micro_batches in self._steps():
                report = self._step(micro_batches, knowledge)
                if self.step_log is not None:
                    self.step_log.write_step(report.step, report.values())
                if self.progress.step % self.order.steps_per_epoch == 0:
                    yield self._end_of_epoch()
                if self._checkpoint_is_due():
                    yield self._commit(earlier)
                if time.monotonic() - last_sign > SECONDS_BETWEEN_SIGNS:
                    last_sign = time.monotonic()
                    yield Advanced(self.progress.step, report.loss)

    def _my_micro_batches(self) -> Iterator[MicroBatch]:
        group = self.engine.group
        return self.order.micro_batches_of(group.rank, group.ranks, self.progress.step)

    def _steps(self) -> Iterator[tuple[MicroBatch, ...]]:
        share = self.order.micro_batches // self.engine.group.ranks
        every = self._my_micro_batches()
        return iter(lambda: tuple(islice(every, share)), ())

    def _questions(self) -> Iterator[Question]:
        """What the teachers are asked: in each epoch what the terms that count in it need."""
        questions = (micro.question for micro in self._my_micro_batches())
        for epoch, asked in groupby(questions, attrgetter("epoch")):
            if self.objective.learns_from_teachers(epoch):
                taps = self.objective.taps_in(epoch)
                yield from (replace(each, taps=taps) for each in asked)

    def _step(
        self, micro_batches: tuple[MicroBatch, ...], lessons: Iterator[Knowledge]
    ) -> StepReport:
        began, waited, step = time.perf_counter(), 0.0, self.progress.step
        epoch = step // self.order.steps_per_epoch
        if self.fault is not None:
            self.fault.strike(step)
        rate = learning_rate(
            self.config.optimizer.lr,
            self.config.lr_schedule,
            step=step,
            steps_per_epoch=self.order.steps_per_epoch,
            epochs=self.order.epochs,
        )
        self._standstill.before_step(self.engine, epoch)
        learnt: list[MicroBatchResult] = []
        for micro in micro_batches:
            asked = time.perf_counter()
            knowledge = self._knowledge(micro.question, lessons)
            waited += time.perf_counter() - asked
            learnt.append(self._learn(micro, knowledge))
        outcome = self.engine.step(rate)
        self._count(outcome)
        if self.config.max_norm != "none":
            self.engine.constrain(limited_to(self.config.max_norm))
        self._standstill.after_step(self.engine)
        wait, loss, *terms = self._means(learnt, waited)
        weights = self.objective.weights_in(epoch)
        return StepReport(
            step=step,
            loss=loss,
            terms=dict(zip(weights, terms, strict=True)),
            learning_rate=rate,
            gradient_norm=outcome.gradient_norm,
            samples=self.order.batch_size,
            step_seconds=time.perf_counter() - began,
            wait_seconds=wait * self.order.micro_batches / self.engine.group.ranks,
            skipped=int(not outcome.finite),
            gradients={name: float(norm) for name, norm in learnt[0].gradients.items()},
        )

    def _means(self, learnt: Sequence[MicroBatchResult], waited: float) -> list[float]:
        """Of all micro-batches of the step, on whatever rank: the time waited, the loss and the
        terms."""
        figures = torch.stack([each.figures for each in learnt]).sum(0)
        sums = self.engine.sum(torch.cat([figures.new_tensor([waited]), figures]))
        means: list[float] = (sums / self.order.micro_batches).tolist()
        return means

    def _knowledge(self, question: Question, lessons: Iterator[Knowledge]) -> Knowledge:
        """The next of the teachers' answers, or nobody's where nobody was asked."""
        if self.objective.learns_from_teachers(question.epoch):
            return next(lessons)
        return empty_knowledge(len(question.sample_ids), self.transfer_set.classes)

    def _learn(self, micro: MicroBatch, knowledge: Knowledge) -> MicroBatchResult:
        """Gradients of one micro-batch, which are not waited for until the step is done."""
        batch, epoch = self._batch(micro.question), micro.question.epoch
        # Dropout is a function of the place in training, on whatever rank it is drawn.
        seed = seed_of(self.seed, "micro-batch", micro.step, micro.index)
        seed_generators(seed, self.engine.device)
        outputs = self.engine.forward(batch.inputs)
        knowledge = knowledge.to(self.engine.device)
        knowledge = self.objective.with_gate_weights(outputs, knowledge, epoch)
        loss, terms = self.objective(outputs, batch, knowledge, epoch)
        self.engine.backward(loss)
        if self.notes is not None:
            self.notes.note(knowledge, batch.targets)
        driving = {}
        if self.step_log is not None and micro.step % self.order.steps_per_epoch + micro.index == 0:
            driving = gradient_norms(self.objective, outputs, batch, knowledge, epoch)
        values = [loss.detach(), *terms.values()]
        return MicroBatchResult(torch.stack([value.double() for value in values]), driving)

    def _batch(self, question: Question) -> Batch:
        batch = self.transfer_set.batch(
            question.sample_ids,
            question.view,
            augment=self.augment,
            student_labels=self.labels_of_student,
        )
        device = self.engine.device
        inputs, targets = (sent(each, device) for each in (batch.inputs, batch.targets))
        return Batch(inputs, targets, batch.sample_ids, batch.view)

    def _count(self, outcome: StepResult) -> None:
        progress = self.progress
        progress.step += 1
        progress.skipped += not outcome.finite
        progress.skipped_in_a_row = 0 if outcome.finite else progress.skipped_in_a_row + 1
        if progress.skipped_in_a_row >= MOST_SKIPS_IN_A_ROW:
            raise TrainingError(
                f"gradients were not finite in {MOST_SKIPS_IN_A_ROW} steps in a row, up to step "
                f"{progress.step}; lower optimizer.lr, or clip gradients (gradient_clipping: 1.0)",
                path="train",
            )

    def _end_of_epoch(self) -> EpochReport:
        self.engine.sync_buffers()
        accuracy, nll = validate(self.engine, self.transfer_set)
        epoch = self.progress.step // self.order.steps_per_epoch - 1
        values = self._told()
        if accuracy is not None and nll is not None:
            values |= {"accuracy": accuracy, "nll": nll}
        if self.step_log is not None and values:
            self.step_log.write_epoch(epoch, self.progress.step - 1, values)
        return EpochReport(epoch, self.progress.step, accuracy, nll)

    def _told(self) -> dict[str, float]:
        """Who was listened to in the epoch that is over."""
        self._take_notes()
        heard, self.progress.heard = self.progress.heard, ()
        return {} if self.notes is None else self.notes.listening.told(heard)

    def _take_notes(self) -> None:
        """Adds what all ranks have noted to the epoch's sums."""
        taken = None if self.notes is None else self.notes.taken()
        if taken is not None:
            self.progress.heard = added(self.progress.heard, self.engine.sum(taken).tolist())

    def _checkpoint_is_due(self) -> bool:
        every = self.config.checkpoint.every
        period = self.order.steps_per_epoch if every == "epoch" else every
        done = self.progress.step
        return done % period == 0 or done == self.order.total_steps

    def _commit(self, earlier: tuple[tuple[int, int], ...]) -> Committed:
        self.engine.sync_buffers()
        self._take_notes()
        state = self.engine.state()
        if self.step_log is not None:
            offset = self.step_log.commit_point()
            self.progress.segments = tuple(extend_segments(earlier, self.attempt, offset))
            self.checkpoints.commit(state, vars(self.progress), step=self.progress.step)
        return Committed(self.progress.step, self.progress.segments)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on ``device``; an accelerator is sent it while it still computes."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)

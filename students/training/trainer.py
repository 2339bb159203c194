"""The training loop: takes knowledge, makes steps, validates, commits checkpoints.

Where it waits:

| waits for            | in                      | who frees it                                  |
|----------------------|-------------------------|-----------------------------------------------|
| the next knowledge   | ``next(knowledge)``     | the source, within the teachers' timeout      |
| the other ranks      | ``engine.step`` and all | the group's timeout for collectives           |
|                      | collective calls        |                                               |
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from students.engines.engine import Engine, StepResult
from students.engines.state_tensors import EngineState
from students.errors import TrainingError
from students.evaluation.evaluate import validate
from students.events import Advanced, Committed, EpochReport, Event, Resumed
from students.knowledge import Batch, Knowledge, KnowledgeSource, Question
from students.lr_schedule import learning_rate
from students.models.probabilities import check_logits
from students.objectives.objective import Objective
from students.objectives.teacher_gate import with_gate_weights
from students.objectives.term import learns_from_teachers
from students.randomness import seed_of
from students.specs import StudentSpec
from students.storage.checkpoint import CheckpointFolder
from students.storage.step_log import StepLogWriter, extend_segments
from students.torch_state import use_seed
from students.training.parameter_constraints import GateFreeze, max_norm
from students.training.questions import empty_knowledge, questions_of, total_answers
from students.training.weighting_stats import WeightingStats
from students.transfer_sets.sampler import BatchSampler, MicroBatch
from students.transfer_sets.transfer_set import TransferSet

MOST_SKIPS_IN_A_ROW = 10
SECONDS_BETWEEN_EVENTS = 1.0


@dataclass
class Progress:
    """How far training has come: what a checkpoint holds beside the engine's state.

    ``weighting_sums`` are this epoch's sums, over all ranks, of the teachers' weights; ``answers``
    has the numbers of ``AnswerCounts`` by teacher, for all steps up to the last checkpoint.
    """

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    segments: tuple[tuple[int, int], ...] = ()
    weighting_sums: tuple[float, ...] = ()
    answers: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Progress:
        """The progress that a checkpoint's manifest holds; unknown fields of it are ignored."""
        return TypeAdapter(cls).validate_python(stored)


@dataclass
class Trainer:
    """Trains one learner to the end of its sampler, as one rank of ``engine.group``.

    ``step_log``, and with it every checkpoint, is rank 0's alone. With ``weighting_stats`` the
    teachers' mean weights are logged after each epoch. ``before_step`` is called with each step,
    ``on_anchor`` on every rank after each number of epochs in ``anchors``, with the engine's state.
    """

    spec: StudentSpec
    engine: Engine
    objective: Objective
    transfer_set: TransferSet
    sampler: BatchSampler
    knowledge_source: KnowledgeSource
    checkpoints: CheckpointFolder
    step_log: StepLogWriter | None
    progress: Progress = field(default_factory=Progress)
    weighting_stats: WeightingStats | None = None
    before_step: Callable[[int], None] | None = None
    anchors: Collection[int] = ()
    on_anchor: Callable[[int, EngineState], None] | None = None
    _gate_freeze: GateFreeze = field(init=False)

    def __post_init__(self) -> None:
        self._gate_freeze = GateFreeze(self.objective.gate)

    def train(self) -> Iterator[Event]:
        """Trains from where ``progress`` stands to the end; yields what happens.

        Raises:
            ModelError: what the model returns is no logits.
            TrainingError: gradients were not finite ten times in a row.
        """
        yield Resumed(self.progress.step, self.sampler.total_steps, self.sampler.epochs)
        earlier, last_event = replace(self.progress), time.monotonic()
        questions = questions_of(self.objective, self._my_micro_batches())
        with self.knowledge_source.ask(questions) as knowledge:
            for step, micro_batches in groupby(self._my_micro_batches(), lambda each: each.step):
                values = self._step(step, micro_batches, knowledge)
                if self.step_log is not None:
                    self.step_log.write_step(step, values)
                if self.progress.step % self.sampler.steps_per_epoch == 0:
                    yield self._end_epoch()
                    self._leave_anchor()
                if self._checkpoint_is_due():
                    yield self._commit(earlier)
                if time.monotonic() - last_event > SECONDS_BETWEEN_EVENTS:
                    last_event = time.monotonic()
                    yield Advanced(self.progress.step, values["loss"])

    def _my_micro_batches(self) -> Iterator[MicroBatch]:
        group = self.engine.group
        return self.sampler.micro_batches_of(group.rank, group.ranks, self.progress.step)

    def _step(
        self, step: int, micro_batches: Iterator[MicroBatch], knowledge: Iterator[Knowledge]
    ) -> dict[str, float]:
        """One optimizer step; returns what it measured, by the names it is logged under.

        ``terms/TERM`` are means over the batch of the terms that are active in this epoch, without
        their weights; ``gradient/TERM``, in the first step of an epoch, is the norm of a term's
        gradient with respect to the student's outputs, in the step's first micro-batch. Times in
        seconds; ``wait_seconds`` is spent waiting for knowledge, part of ``step_seconds``;
        ``skipped`` is 1 where gradients were not finite.
        """
        began, waited, train = time.perf_counter(), 0.0, self.spec.train
        epoch = step // self.sampler.steps_per_epoch
        if self.before_step is not None:
            self.before_step(step)
        rate = learning_rate(
            train.optimizer.lr,
            train.lr_schedule,
            step=step,
            steps_per_epoch=self.sampler.steps_per_epoch,
            epochs=train.epochs,
        )
        self._gate_freeze.before_step(self.engine, epoch)
        figures: list[Tensor] = []
        gradients: dict[str, Tensor] = {}
        for micro_batch in micro_batches:
            asked = time.perf_counter()
            answers = self._knowledge(micro_batch.question, knowledge)
            waited += time.perf_counter() - asked
            # Dropout is a function of the place in training, on whatever rank it is drawn.
            seed = seed_of(self.spec.seed, "micro-batch", micro_batch.step, micro_batch.index)
            with use_seed(seed, self.engine.device):
                measured, norms = self._compute_gradients(micro_batch, answers)
            figures.append(measured)
            gradients |= norms
        outcome = self.engine.step(rate)
        self._count(outcome)
        if train.max_norm != "none":
            self.engine.constrain(max_norm(train.max_norm))
        self._gate_freeze.after_step(self.engine)
        wait, loss, *terms = self._means(figures, waited)
        named = zip(self.objective.weights_in(epoch), terms, strict=True)
        return {
            "loss": loss,
            **{f"terms/{name}": value for name, value in named},
            "learning_rate": rate,
            "gradient_norm": outcome.gradient_norm,
            "samples": float(self.sampler.batch_size),
            "step_seconds": time.perf_counter() - began,
            "wait_seconds": wait * self.sampler.micro_batches / self.engine.group.ranks,
            "skipped": float(not outcome.finite),
            **{f"gradient/{name}": float(norm) for name, norm in gradients.items()},
        }

    def _means(self, figures: list[Tensor], waited: float) -> list[float]:
        """The time waited, the loss and the terms: means over the step's micro-batches of all
        ranks."""
        own = torch.stack(figures).sum(0)
        sums = self.engine.sum(torch.cat([own.new_tensor([waited]), own]))
        means: list[float] = (sums / self.sampler.micro_batches).tolist()
        return means

    def _knowledge(self, question: Question, knowledge: Iterator[Knowledge]) -> Knowledge:
        """The teachers' next answers, or empty knowledge where they are not asked."""
        if learns_from_teachers(self.objective.terms.values(), question.epoch):
            return next(knowledge)
        return empty_knowledge(len(question.sample_ids), self.transfer_set.classes)

    def _compute_gradients(
        self, micro: MicroBatch, knowledge: Knowledge
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and backward pass; nothing is waited for until the step is done.

        Returns, on the device, the loss and the active terms as float64 [1 + terms], and in the
        first micro-batch of an epoch the norms of these terms' gradients.
        """
        batch, epoch = self._batch(micro.question), micro.question.epoch
        outputs = self.engine.forward(batch.inputs)
        if micro.step == 0:
            check_logits(outputs["logits"].detach(), f"{self.spec.path}.model")
        knowledge = knowledge.to(self.engine.device)
        knowledge = with_gate_weights(self.objective.gate, outputs, knowledge, epoch)
        loss, terms = self.objective(outputs, batch, knowledge, epoch)
        self.engine.backward(loss)
        if self.weighting_stats is not None:
            self.weighting_stats.add(knowledge, batch.targets)
        norms: dict[str, Tensor] = {}
        first_of_epoch = micro.step % self.sampler.steps_per_epoch == 0 and micro.index == 0
        if self.step_log is not None and first_of_epoch:
            norms = self.objective.gradient_norms(outputs, batch, knowledge, epoch)
        values = [loss.detach(), *terms.values()]
        return torch.stack([value.double() for value in values]), norms

    def _batch(self, question: Question) -> Batch:
        samples = self.spec.samples
        batch = self.transfer_set.batch(
            question.sample_ids,
            question.view,
            augment=samples.augment,
            student_labels=samples.audience == "student",
        )
        inputs, targets = self._to_device(batch.inputs), self._to_device(batch.targets)
        return replace(batch, inputs=inputs, targets=targets)

    def _to_device(self, tensor: Tensor) -> Tensor:
        """Copies to an accelerator without waiting for what it still computes."""
        if self.engine.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.engine.device, non_blocking=True)

    def _count(self, outcome: StepResult) -> None:
        progress = self.progress
        progress.step += 1
        progress.skipped += not outcome.finite
        progress.skipped_in_a_row = 0 if outcome.finite else progress.skipped_in_a_row + 1
        if progress.skipped_in_a_row >= MOST_SKIPS_IN_A_ROW:
            train, place = self.spec.train, f"{self.spec.path}.train"
            raise TrainingError(
                f"`{place}.optimizer.lr` is {train.optimizer.lr:g}, but gradients were not finite "
                f"in {MOST_SKIPS_IN_A_ROW} steps in a row, up to step {progress.step}; lower it, "
                f"or `{place}.gradient_clipping` ({train.gradient_clipping})",
                path=place,
            )

    def _end_epoch(self) -> EpochReport:
        self.engine.sync_buffers()
        accuracy, nll = validate(self.engine, self.transfer_set)
        epoch = self.progress.step // self.sampler.steps_per_epoch - 1
        self._sum_weights()
        sums, self.progress.weighting_sums = self.progress.weighting_sums, ()
        values = {} if self.weighting_stats is None else self.weighting_stats.to_metrics(sums)
        if accuracy is not None and nll is not None:
            values |= {"accuracy": accuracy, "nll": nll}
        if self.step_log is not None and values:
            self.step_log.write_epoch(epoch, self.progress.step - 1, values)
        return EpochReport(epoch, self.progress.step, accuracy, nll)

    def _leave_anchor(self) -> None:
        """Before the checkpoint that follows the epoch: where there is that, the anchor is too."""
        epochs = self.progress.step // self.sampler.steps_per_epoch
        if self.on_anchor is not None and epochs in self.anchors:
            self.on_anchor(epochs, self.engine.state())

    def _sum_weights(self) -> None:
        """Adds what all ranks have in their buffers to the epoch's sums."""
        own = None if self.weighting_stats is None else self.weighting_stats.take_sums()
        if own is not None:
            sums = self.engine.sum(own).tolist()
            before = self.progress.weighting_sums or (0.0,) * len(sums)
            self.progress.weighting_sums = tuple(map(operator.add, before, sums))

    def _checkpoint_is_due(self) -> bool:
        every = self.spec.train.checkpoint.every
        period = self.sampler.steps_per_epoch if every == "epoch" else every
        done = self.progress.step
        return done % period == 0 or done == self.sampler.total_steps

    def _commit(self, earlier: Progress) -> Committed:
        """Commits a checkpoint; ``earlier`` is the progress from before this attempt."""
        self.engine.sync_buffers()
        self._sum_weights()
        counts = self.knowledge_source.counts()
        self.progress.answers = total_answers(earlier.answers, counts, self.engine)
        state = self.engine.state()
        if self.step_log is not None:
            offset = self.step_log.commit_point()
            self.progress.segments = extend_segments(
                earlier.segments, self.step_log.attempt, offset
            )
            self.checkpoints.commit(state, vars(self.progress), step=self.progress.step)
        return Committed(self.progress.step, self.progress.segments)

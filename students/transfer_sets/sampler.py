"""Chooses the samples of each step: the same ones on any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from students.knowledge import Question
from students.randomness import generator
from students.transfer_sets.splits import Ids


@dataclass(frozen=True)
class MicroBatch:
    """The unit of computation: ``index`` counts the micro-batches of one step over all ranks."""

    step: int
    index: int
    question: Question


@dataclass(frozen=True)
class BatchSampler:
    """The samples of each batch in all epochs, a pure function of its fields.

    An epoch is ceil(n / ``batch_size``) batches, all full: its order runs on from its own
    beginning to fill the last one, so that every sample is seen and every micro-batch has
    one shape. A step's batch is cut into micro-batches; rank r of R computes the r-th run
    of ``micro_batches / R`` of them, so the samples of a micro-batch do not depend on R.
    """

    sample_ids: Ids
    batch_size: int
    micro_batch_size: int
    epochs: int
    seed: int
    view_of: Callable[[int], int]

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one epoch."""
        return math.ceil(len(self.sample_ids) / self.batch_size)

    @property
    def total_steps(self) -> int:
        """Optimizer steps in all epochs."""
        return self.steps_per_epoch * self.epochs

    @property
    def micro_batches(self) -> int:
        """Micro-batches of one step, over all ranks."""
        return self.batch_size // self.micro_batch_size

    def epoch_ids(self, epoch: int) -> Ids:
        """The sample ids of one epoch in their order, the last batch filled up."""
        shuffled = generator(self.seed, "order", epoch).permutation(self.sample_ids)
        return np.resize(shuffled, self.steps_per_epoch * self.batch_size)

    def micro_batches_of(self, rank: int, ranks: int, first_step: int) -> Iterator[MicroBatch]:
        """What one rank computes from ``first_step`` to the end."""
        share = self.micro_batches // ranks
        ids, ids_epoch = np.empty(0, np.int64), -1
        for step in range(first_step, self.total_steps):
            epoch, place = divmod(step, self.steps_per_epoch)
            if epoch != ids_epoch:
                ids, ids_epoch = self.epoch_ids(epoch), epoch
            for index in range(rank * share, (rank + 1) * share):
                start = place * self.batch_size + index * self.micro_batch_size
                chosen = ids[start : start + self.micro_batch_size]
                yield MicroBatch(step, index, Question(self.view_of(epoch), chosen, epoch))

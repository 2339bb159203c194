"""The engine in plain torch: each rank holds the whole student."""

from __future__ import annotations

import torch
from torch import Tensor

from students.engines.autocast import InPrecision
from students.engines.optimizers import build_optimizer
from students.engines.partitioned_engine import EngineSetup, PartitionedEngine
from students.engines.process_group import average, join, leave
from students.engines.zero_partitions import WholePartitions


class TorchEngine(PartitionedEngine):
    """Takes steps with torch's own optimizer, on gradients averaged over the ranks.

    Raises:
        TrainingError: the ranks did not meet.
        CheckpointError: ``setup.state`` is of another learner.
    """

    def __init__(self, setup: EngineSetup) -> None:
        setup.place_learner()
        optimizer = build_optimizer(setup.train.optimizer, setup.learner.parameters())
        join(setup.group, setup.device)
        super().__init__(
            setup,
            InPrecision(setup.learner, setup.train.precision, setup.device.type),
            optimizer,
            _AveragedGradients(setup, optimizer),
        )

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch."""
        torch.autograd.backward(loss / self._accumulation)

    def _take_step(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def close(self) -> None:
        """Leaves the group. May be called twice."""
        leave()


class _AveragedGradients(WholePartitions):
    def __init__(self, setup: EngineSetup, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(setup.learner, optimizer)
        self._group = setup.group

    def gradients(self) -> list[Tensor]:
        """The parameters' gradients, the mean over the ranks; zero where there is none."""
        gradients = super().gradients()
        average(gradients, self._group)
        return gradients

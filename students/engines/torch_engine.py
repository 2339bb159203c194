"""The engine in plain torch: each rank holds the whole student."""

from __future__ import annotations

import torch
from torch import Tensor

from students.engines.engine import Engine, EngineSetup, InPrecision
from students.engines.process_group import join, leave
from students.engines.state_tensors import trainable
from students.engines.zero_partitions import Partitions


class TorchEngine(Engine):
    """Takes steps with torch's own optimizer, on gradients averaged over the ranks.

    Raises:
        TrainingError: the ranks did not meet.
    """

    def __init__(self, setup: EngineSetup) -> None:
        parameters = list(trainable(setup.learner).values())
        optimizer = setup.train.optimizer.build(parameters)
        join(setup.group, setup.device)
        super().__init__(
            setup,
            InPrecision(setup),
            optimizer,
            Partitions(parameters, optimizer.state, setup.group),
        )

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch, divided by all micro-batches of the step."""
        torch.autograd.backward(loss / self._accumulation)

    def _take_step(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def close(self) -> None:
        """Leaves the group. May be called twice."""
        leave()

"""What every engine does, wherever its optimizer keeps weights, gradients and slots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from students.config import EngineConfig, TrainConfig
from students.engines.buffer_sync import BufferSync
from students.engines.gradient_clipping import clipping_for, squared_norm
from students.engines.group import Group
from students.engines.process_group import add_up
from students.engines.state_tensors import EngineState, frozen, load_module, on_cpu, trainable
from students.engines.zero_partitions import Partitions


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did. ``finite`` is false when it was skipped."""

    gradient_norm: float
    finite: bool


@dataclass(frozen=True)
class EngineSetup:
    """What an engine is built from.

    The weights of ``learner`` must be the same on every rank; ``accumulation`` is the number of
    micro-batches of this rank in one step; ``state``, of any engine, is where it goes on from.
    """

    engine: EngineConfig
    train: TrainConfig
    learner: nn.Module
    group: Group
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    accumulation: int = 1
    state: EngineState | None = None

    def place_learner(self) -> None:
        """Loads the learner's weights from ``state`` and moves it to its device.

        Raises:
            CheckpointError: ``state`` is of another learner.
        """
        if self.state is not None:
            load_module(self.learner, self.state.module)
        self.learner.to(self.device)


class Engine(ABC):
    """Takes the optimizer steps of one learner on the ranks of one group.

    All methods but ``forward`` and ``backward`` are collective: every rank calls them in the
    same order. ``module`` computes the learner's outputs under the recipe's precision,
    ``optimizer`` takes the learning rate, ``partitions`` reads and writes all tensors.
    """

    def __init__(
        self,
        setup: EngineSetup,
        module: Any,
        optimizer: torch.optim.Optimizer,
        partitions: Partitions,
    ) -> None:
        self.group = setup.group
        self.device = setup.device
        self._learner = setup.learner
        self._accumulation = setup.accumulation
        self._clipping = setup.train.gradient_clipping
        self._module = module
        self._optimizer = optimizer
        self._partitions = partitions
        self._buffers = BufferSync(setup.learner, setup.group)
        if setup.state is not None and setup.state.optimizer:
            self._restore(setup.state.optimizer)

    @abstractmethod
    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch, divided by all micro-batches of the step."""

    @abstractmethod
    def _take_step(self) -> None:
        """Updates the parameters from the gradients as they are, and forgets these."""

    @abstractmethod
    def close(self) -> None:
        """Leaves the group and frees what the engine holds. May be called twice."""

    def forward(self, inputs: Tensor) -> Any:
        """The learner's outputs for one micro-batch; without gradients while evaluating."""
        with nullcontext() if self._learner.training else torch.no_grad():
            return self._module(inputs)

    def step(self, learning_rate: float) -> StepResult:
        """One step on the mean gradients, clipped; skipped if they are not finite."""
        gradients = self._partitions.gradients()
        squared = squared_norm(gradients)
        if self._partitions.split:
            total = torch.tensor(squared, dtype=torch.float64, device=self.device)
            squared = float(add_up(total, self.group))
        clipping = clipping_for(squared, self._clipping)
        if not clipping.finite:
            self._partitions.void(gradients)
        elif clipping.factor < 1:
            for gradient in gradients:
                gradient.mul_(clipping.factor)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._take_step()
        return StepResult(clipping.norm, clipping.finite)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Keeps the learner in evaluation mode, without gradients, inside the context."""
        self._module.eval()
        try:
            yield
        finally:
            self._module.train()

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over the ranks, on every rank."""
        return add_up(values.detach().to(self.device, copy=True), self.group)

    def sync_buffers(self) -> None:
        """Makes all ranks' buffers equal: floating-point ones averaged, counts added up."""
        self._buffers.sync()

    @torch.no_grad()
    def constrain(self, change: Callable[[str, Tensor], Tensor | None]) -> None:
        """Replaces each parameter for which ``change(name, value)`` gives a new value."""
        for name, parameter in trainable(self._learner).items():
            changed = change(name, self._partitions.value(parameter))
            if changed is not None:
                self._partitions.set_value(parameter, changed)

    @torch.no_grad()
    def state(self) -> EngineState:
        """The full state, on the CPU, on every rank."""
        parameters = trainable(self._learner)
        module = {name: on_cpu(self._partitions.value(p)) for name, p in parameters.items()}
        module |= {name: on_cpu(tensor) for name, tensor in frozen(self._learner).items()}
        slots = {
            slot: {n: on_cpu(self._partitions.slot(p, slot)) for n, p in parameters.items()}
            for slot in self._partitions.slots()
        }
        return EngineState(module, slots)

    @torch.no_grad()
    def _restore(self, slots: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Fills the optimizer's slots from the state of any engine."""
        parameters = trainable(self._learner)
        counts = {slot: all(v.dim() == 0 for v in each.values()) for slot, each in slots.items()}
        self._partitions.prepare(counts)
        for slot, values in slots.items():
            for name, value in values.items():
                self._partitions.set_slot(parameters[name], slot, value)

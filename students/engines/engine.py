"""What every engine does, wherever its optimizer keeps weights, gradients and slots.

No engine is asked to clip gradients: each hands them in and scales them by one factor. DeepSpeed
has its own formula for each ZeRO stage: the norm is taken in float32 or float64, over other
pieces, and stage 0 multiplies by ``c / (n + 1e-6)`` where the others divide by ``(n + 1e-6) / c``.
The results differ in their last bits.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from students.config import EngineConfig, TrainConfig
from students.engines.group import Group
from students.engines.process_group import add_up, average
from students.engines.state_tensors import EngineState, frozen, on_cpu, trainable
from students.engines.zero_partitions import Partitions

LARGEST_NORM = 1e18
"""A norm beyond this counts as not finite: its square no longer fits into a float32, and
DeepSpeed would skip the step where another engine takes it."""


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did. ``finite`` is false when it was skipped."""

    gradient_norm: float
    finite: bool


@dataclass(frozen=True)
class EngineSetup:
    """What an engine is built from.

    The weights of ``learner`` must be the same on every rank; ``accumulation`` is the number of
    micro-batches of this rank in one step; ``state``, of any engine, is where it continues from.
    """

    engine: EngineConfig
    train: TrainConfig
    learner: nn.Module
    group: Group
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    accumulation: int = 1
    state: EngineState | None = None


class InPrecision(nn.Module):
    """A learner in ``fp32`` or ``bf16``; weights, buffers and outputs are float32 in both.

    In bf16 the *module* opens autocast, not the engine around it: DeepSpeed's own setting would
    also send some gradients as bf16, at some ZeRO stages, and so change bits.
    """

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__()
        self.learner = setup.learner
        self._bf16 = setup.train.precision == "bf16"
        self._device_type = setup.device.type

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """The learner's outputs by name."""
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._bf16):
            outputs = self.learner(inputs)
        return {name: value.float() for name, value in outputs.items()}


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
        self._counted = {name: count.clone() for name, count in self._counts().items()}
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
        """One step on the mean gradients, clipped; skipped if they are not finite.

        Clipped by the norm n of all gradients: the factor is ``min(1, limit / (n + 1e-6))``
        (Pascanu et al., 2013, algorithm 1; the small number as in ``torch.nn.utils``).
        """
        gradients = self._partitions.gradients()
        squared = _squared_norm(gradients)
        if self._partitions.split:
            total = torch.tensor(squared, dtype=torch.float64, device=self.device)
            squared = float(add_up(total, self.group))
        norm = math.sqrt(squared)
        finite = norm < LARGEST_NORM
        if not finite:
            self._partitions.void(gradients)
        elif self._clipping != "none" and (factor := self._clipping / (norm + 1e-6)) < 1:
            for gradient in gradients:
                gradient.mul_(factor)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._take_step()
        return StepResult(norm, finite)

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

    @torch.no_grad()
    def sync_buffers(self) -> None:
        """Makes all ranks' buffers equal; without effect the second time.

        Statistics (floating point) are averaged. Counts (integers, as ``num_batches_tracked``)
        grow by what *all* ranks have counted since the last time, so they are what one rank
        would count.
        """
        if self.group.ranks == 1:
            return
        statistics = [b for b in self._learner.buffers() if b.is_floating_point()]
        # In float64 the mean of equal float32 values is that value again, for any number of ranks.
        average(statistics, self.group, dtype=torch.float64)
        for name, count in self._counts().items():
            grown = (count - self._counted[name]).to(torch.int64)
            count.copy_(self._counted[name] + add_up(grown, self.group))
            self._counted[name] = count.clone()

    def _counts(self) -> dict[str, Tensor]:
        return {
            name: buffer
            for name, buffer in self._learner.named_buffers()
            if not (buffer.is_floating_point() or buffer.is_complex() or buffer.dtype == torch.bool)
        }

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
        module |= {
            name: on_cpu(self._partitions.value(tensor))
            for name, tensor in frozen(self._learner).items()
        }
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


def _squared_norm(gradients: Iterable[Tensor]) -> float:
    """The sum of the squares of all entries.

    Float64 for each tensor, read in its logical order; the tensors' sums are added exactly
    (``fsum``), so it does not matter in which order or shape an engine keeps them.
    """
    norms = [
        torch.linalg.vector_norm(gradient.detach().reshape(-1), dtype=torch.float64)
        for gradient in gradients
    ]
    # One transfer for all, for on an accelerator each would wait.
    return math.fsum(norm * norm for norm in torch.stack(norms).tolist()) if norms else 0.0

"""The engine that is nothing but torch: each rank holds the whole student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from students.config import EngineConfig, TrainConfig
from students.engines.autocast import InPrecision
from students.engines.buffer_sync import SharedBuffers
from students.engines.engine import EngineState, Group, StepOutcome
from students.engines.gradient_clipping import judge, squared_norm
from students.engines.optimizers import build_optimizer, set_learning_rate
from students.engines.process_group import add_up, join, leave
from students.engines.state_tensors import frozen, learning, load_module, on_cpu


class TorchEngine:
    """Carries out steps in plain torch; gradients are added up over the ranks."""

    def __init__(
        self,
        learner: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        group: Group,
        device: torch.device,
        precision: str,
        accumulation: int,
        clipping: float | Literal["none"],
    ) -> None:
        self.group = group
        self.device = device
        self._learner = learner
        self._module = InPrecision(learner, precision, device.type)
        self._parameters = learning(learner)
        self._optimizer = optimizer
        self._accumulation = accumulation
        self._clipping = clipping
        self._buffers = SharedBuffers(learner, group)

    def forward(self, inputs: Tensor) -> Any:
        """The learner's outputs for one micro-batch; without gradients while evaluating."""
        with nullcontext() if self._learner.training else torch.no_grad():
            return self._module(inputs)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch."""
        torch.autograd.backward(loss / self._accumulation)

    def step(self, learning_rate: float) -> StepOutcome:
        """One step on the mean gradients, clipped; skipped if they are not finite."""
        gradients = self._mean_gradients()
        verdict = judge(squared_norm(gradients), self._clipping)
        if verdict.finite:
            if verdict.factor < 1:
                for gradient in gradients:
                    gradient.mul_(verdict.factor)
            set_learning_rate(self._optimizer, learning_rate)
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return StepOutcome(verdict.norm, verdict.finite)

    def evaluating(self, evaluate: bool) -> None:
        """Puts the learner into evaluation mode, or back into training mode."""
        self._learner.train(not evaluate)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over the ranks, on every rank."""
        return add_up(values.detach().to(self.device, copy=True), self.group)

    def settle(self) -> None:
        """Makes all ranks' buffers equal."""
        self._buffers.settle()

    @torch.no_grad()
    def constrain(self, change: Callable[[str, Tensor], Tensor | None]) -> None:
        """Replaces each parameter for which ``change(name, value)`` gives a new value."""
        for name, parameter in self._parameters.items():
            changed = change(name, parameter.detach())
            if changed is not None:
                parameter.copy_(changed)

    def state(self) -> EngineState:
        """The full state, on the CPU."""
        tensors: dict[str, Tensor] = {**self._parameters, **frozen(self._learner)}
        slots: dict[str, dict[str, Tensor]] = {}
        for name, parameter in self._parameters.items():
            for slot, value in self._optimizer.state[parameter].items():
                if isinstance(value, Tensor):
                    slots.setdefault(slot, {})[name] = on_cpu(value)
        return EngineState({name: on_cpu(tensor) for name, tensor in tensors.items()}, slots)

    def close(self) -> None:
        """Leaves the group. May be called twice."""
        leave()

    def _mean_gradients(self) -> list[Tensor]:
        """The gradients [all parameters], the mean over the ranks; zero where there is none."""
        for parameter in self._parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        if self.group.ranks == 1:
            return gradients
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        add_up(flat, self.group).div_(self.group.ranks)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return gradients


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    slots: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Gives an optimizer that keeps whole parameters its slots back."""
    for slot, values in slots.items():
        for name, value in values.items():
            parameter = parameters[name]
            # Optimizers count their steps in main memory, wherever the weights are.
            device = "cpu" if slot == "step" else parameter.device
            optimizer.state[parameter][slot] = value.to(device, copy=True)


def build_torch(
    engine: EngineConfig,
    train: TrainConfig,
    learner: nn.Module,
    *,
    group: Group,
    device: str,
    accumulation: int,
    state: EngineState | None,
) -> TorchEngine:
    """A torch engine around ``learner``, which goes on from ``state``.

    Raises:
        TrainingError: the ranks did not meet.
        CheckpointError: ``state`` is of another learner.
    """
    place = torch.device(device)
    if state is not None:
        load_module(learner, state.module)
    learner.to(place)
    optimizer = build_optimizer(train.optimizer, learner.named_parameters())
    if state is not None:
        restore_optimizer(optimizer, learning(learner), state.optimizer)
    join(group, place)
    return TorchEngine(
        learner,
        optimizer,
        group=group,
        device=place,
        precision=train.precision,
        accumulation=accumulation,
        clipping=train.gradient_clipping,
    )

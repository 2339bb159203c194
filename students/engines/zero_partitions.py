"""Finds the pieces of weights, gradients and slots where each ZeRO stage keeps them.

Stage 0 keeps everything whole. Stages 1 and 2 keep the weights whole, and on each rank one flat
piece of a second, leading copy with its slots. Stage 3 keeps on each rank an equal piece of every
parameter, the last one padded. The names here are DeepSpeed 0.19's own; the module itself is
handed in by the one who may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from students.engines.engine import Group


class Partitions(Protocol):
    """One ZeRO stage's way of keeping things. ``value`` and ``slot`` are collective."""

    split: bool
    """Whether each rank has only a part of the gradients."""

    def gradients(self) -> list[Tensor]:
        """The rank's mean gradients, between the last backward pass and the step."""
        ...

    def spoil(self, gradients: Sequence[Tensor]) -> None:
        """Makes the coming step change nothing."""
        ...

    def value(self, parameter: nn.Parameter) -> Tensor:
        """The whole parameter."""
        ...

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        """Replaces the parameter, in all its copies."""
        ...

    def slots(self) -> list[str]:
        """The optimizer's slots; none before its first step."""
        ...

    def slot(self, parameter: nn.Parameter, name: str) -> Tensor:
        """The whole slot of a parameter; shape () if it is a count."""
        ...

    def prepare(self, counts: Mapping[str, bool]) -> None:
        """Makes empty slots, each one value per weight or (true) one count."""
        ...

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Replaces the slot of a parameter, after ``prepare``."""
        ...


def partitions_of(engine: Any, zero_stage: int, group: Group, deepspeed: Any) -> Partitions:
    """The way in which ``engine`` keeps things; ``deepspeed`` is the module."""
    if zero_stage == 0:
        return WholePartitions(engine.module, engine.optimizer)
    if zero_stage == 3:
        return SplitWeights(engine.optimizer, group, deepspeed)
    return SplitSlots(engine.optimizer, deepspeed)


class WholePartitions:
    """Stage 0: the module's own parameters and a plain optimizer."""

    split = False

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._optimizer = optimizer

    def gradients(self) -> list[Tensor]:
        """The parameters' own gradients, zero where there is none."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self._parameters if p.grad is not None]

    def spoil(self, gradients: Sequence[Tensor]) -> None:
        """Takes the gradients away; stage 0 would apply them, finite or not."""
        for parameter in self._parameters:
            parameter.grad = None

    def value(self, parameter: nn.Parameter) -> Tensor:
        """The parameter itself."""
        return parameter.detach()

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        """Replaces it; there is no other copy."""
        parameter.copy_(value)

    def slots(self) -> list[str]:
        """The optimizer's slots; none before its first step."""
        return _tensors(self._optimizer.state.get(self._parameters[0], {}))

    def slot(self, parameter: nn.Parameter, name: str) -> Tensor:
        """The optimizer's own tensor."""
        found: Tensor = self._optimizer.state[parameter][name]
        return found

    def prepare(self, counts: Mapping[str, bool]) -> None:
        """Makes empty slots for each parameter."""
        if counts:
            for parameter in self._parameters:
                self._optimizer.state[parameter] = _empty(parameter, counts)

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Fills the optimizer's own tensor."""
        self._optimizer.state[parameter][name].copy_(value)


class _Split:
    """What stages 1 to 3 have in common: gradients by rank, slots in flat pieces."""

    split = True

    def __init__(self, zero: Any, deepspeed: Any, pieces: Sequence[Tensor]) -> None:
        self._zero = zero
        self._utils = deepspeed.utils
        self._slots = _FlatSlots(zero.optimizer, pieces)

    def gradients(self) -> list[Tensor]:
        """What this rank has of each gradient."""
        return _averaged(self._zero)

    def spoil(self, gradients: Sequence[Tensor]) -> None:
        """Makes DeepSpeed leave out the step, which it does on all ranks for a NaN on one."""
        for gradient in gradients:
            gradient.fill_(torch.nan)

    def slots(self) -> list[str]:
        """The optimizer's slots; none before its first step."""
        return self._slots.names()

    def slot(self, parameter: nn.Parameter, name: str) -> Tensor:
        """The slot, put together from all ranks."""
        count = self._slots.count(name)
        if count is not None:
            return count
        found: Tensor = self._utils.safe_get_full_optimizer_state(parameter, name)
        return found

    def prepare(self, counts: Mapping[str, bool]) -> None:
        """Makes empty flat slots."""
        if counts:
            self._slots.prepare(counts)


class SplitSlots(_Split):
    """Stages 1 and 2: whole weights, and a leading copy in flat pieces with its slots."""

    def __init__(self, zero: Any, deepspeed: Any) -> None:
        super().__init__(zero, deepspeed, zero.single_partition_of_fp32_groups)

    def value(self, parameter: nn.Parameter) -> Tensor:
        """The parameter itself: in float32 it equals the leading copy."""
        return parameter.detach()

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        """Replaces it and its part of the leading copy."""
        parameter.copy_(value)
        self._utils.safe_set_full_fp32_param(parameter, value)

    def prepare(self, counts: Mapping[str, bool]) -> None:
        """Makes empty flat slots, and tells each parameter where in them its own part is."""
        super().prepare(counts)
        if counts:
            self._zero._lazy_init_hp_params_optimizer_state()

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Fills this rank's part of the slot."""
        count = self._slots.count(name)
        if count is not None:
            self._slots.set_count(name, value)
        else:
            self._utils.safe_set_full_optimizer_state(parameter, value, name)


class SplitWeights(_Split):
    """Stage 3: an equal piece of every parameter on each rank."""

    def __init__(self, zero: Any, group: Group, deepspeed: Any) -> None:
        super().__init__(zero, deepspeed, zero.fp32_partitioned_groups_flat)
        self._group = group
        self._gathered = deepspeed.zero.GatheredParameters

    def value(self, parameter: nn.Parameter) -> Tensor:
        """The parameter, put together from all ranks."""
        found: Tensor = self._utils.safe_get_full_fp32_param(parameter)
        return found

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        """Replaces the leading pieces, and those with which the learner computes."""
        self._utils.safe_set_local_fp32_param(parameter, self._piece(parameter, value))
        with self._gathered([parameter], modifier_rank=0):
            parameter.copy_(value)

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Fills this rank's piece of the slot."""
        if self._slots.count(name) is not None:
            self._slots.set_count(name, value)
        else:
            piece = self._piece(parameter, value)
            self._utils.safe_set_local_optimizer_state(parameter, piece, name)

    def _piece(self, parameter: Any, value: Tensor) -> Tensor:
        """The rank's piece of ``value``, padded.

        DeepSpeed's own setters of whole tensors read past the end where the ranks do not
        divide the parameter's size.
        """
        size = parameter.ds_tensor.numel()
        flat = value.to(parameter.device).reshape(-1)
        padded = nn.functional.pad(flat, (0, size * self._group.ranks - flat.numel()))
        return padded[size * self._group.rank :][:size]


class _FlatSlots:
    """The slots of an optimizer that is given flat pieces of many parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer, pieces: Sequence[Tensor]) -> None:
        self._optimizer = optimizer
        self._pieces = pieces

    def names(self) -> list[str]:
        return _tensors(self._optimizer.state.get(self._pieces[0], {}))

    def prepare(self, counts: Mapping[str, bool]) -> None:
        for piece in self._pieces:
            self._optimizer.state[piece] = _empty(piece, counts)

    def count(self, name: str) -> Tensor | None:
        """The slot if it is a count, which is the same for all parameters."""
        found: Tensor = self._optimizer.state[self._pieces[0]][name]
        return found if found.dim() == 0 else None

    def set_count(self, name: str, value: Tensor) -> None:
        for piece in self._pieces:
            self._optimizer.state[piece][name].copy_(value)


def _averaged(zero: Any) -> list[Tensor]:
    groups = zero.averaged_gradients.values()
    return [gradient for group in groups if group is not None for gradient in group]


def _tensors(slots: Mapping[str, Any]) -> list[str]:
    return [name for name, value in slots.items() if isinstance(value, Tensor)]


def _empty(like: Tensor, counts: Mapping[str, bool]) -> dict[str, Tensor]:
    """Slots of zeros; counts are kept in main memory, as torch's optimizers do."""
    return {
        name: torch.zeros(()) if count else torch.zeros_like(like, requires_grad=False)
        for name, count in counts.items()
    }

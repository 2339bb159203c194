"""Reads and writes weights, gradients and slots where each ZeRO stage keeps its partitions.

Stage 0 keeps everything whole, as torch alone does. Stages 1 and 2 keep the weights whole, and on
each rank one flat piece of a second, leading copy with its slots. Stage 3 keeps on each rank an
equal piece of every parameter, the last one padded. The names here are DeepSpeed 0.19's own; the
module itself is passed in by the one file that may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from students.engines.group import Group
from students.engines.process_group import average
from students.engines.state_tensors import trainable


class Partitions:
    """The layout of a plain optimizer, where everything is whole: stage 0, and torch alone. The
    other stages are subclasses.

    Each of ``pieces``, here the trained parameters, has its slots in ``state``. Gradients are
    averaged over ``group``. ``value`` and ``slot`` are collective.
    """

    split = False
    """Whether each rank has only a part of the gradients."""

    def __init__(
        self, pieces: Sequence[Tensor], state: MutableMapping[Tensor, Any], group: Group
    ) -> None:
        self._pieces = pieces
        self._state = state
        self._group = group

    def gradients(self) -> list[Tensor]:
        """The rank's mean gradients, between the last backward pass and the step; zero where
        there is none."""
        for parameter in self._pieces:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self._pieces if p.grad is not None]
        average(gradients, self._group)
        return gradients

    def void(self, gradients: Sequence[Tensor]) -> None:
        """Makes the coming step change nothing."""
        # Gradients would be applied, finite or not; a parameter that has none is skipped.
        for parameter in self._pieces:
            parameter.grad = None

    def value(self, parameter: Tensor) -> Tensor:
        """The whole parameter, trained or not; or a buffer."""
        return parameter.detach()

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        """Replaces the parameter, in all its copies."""
        parameter.copy_(value)

    def slots(self) -> list[str]:
        """The optimizer's slots; none before its first step."""
        slots = self._state.get(self._pieces[0], {})
        return [name for name, value in slots.items() if isinstance(value, Tensor)]

    def slot(self, parameter: nn.Parameter, name: str) -> Tensor:
        """The whole slot of a parameter; shape () if it is a count."""
        found: Tensor = self._state[parameter][name]
        return found

    def prepare(self, counts: Mapping[str, bool]) -> None:
        """Makes empty slots, each with one value per weight or (true) one count."""
        for piece in self._pieces:
            # Counts are kept in main memory, as torch's optimizers do.
            self._state[piece] = {
                name: torch.zeros(()) if count else torch.zeros_like(piece, requires_grad=False)
                for name, count in counts.items()
            }

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Replaces the slot of a parameter, after ``prepare``."""
        self._state[parameter][name].copy_(value)


def partitions_of(engine: Any, zero_stage: int, group: Group, deepspeed: Any) -> Partitions:
    """The layout of DeepSpeed's ``engine``; ``deepspeed`` is the module."""
    if zero_stage == 0:  # DeepSpeed has averaged the gradients already
        parameters = list(trainable(engine.module).values())
        return Partitions(parameters, engine.optimizer.state, Group())
    layout = _SplitWeights if zero_stage == 3 else _SplitSlots
    return layout(engine.optimizer, group, deepspeed)


class _Split(Partitions):
    """Stages 1 to 3: each rank has a part of the gradients, and flat ``pieces`` of many
    parameters with their slots. A slot that is a count is the same for all of them."""

    split = True

    pieces_of: ClassVar[str]
    """DeepSpeed's name of the pieces."""

    def __init__(self, zero: Any, group: Group, deepspeed: Any) -> None:
        super().__init__(getattr(zero, self.pieces_of), zero.optimizer.state, group)
        self._zero = zero
        self._deepspeed = deepspeed
        self._utils = deepspeed.utils

    def gradients(self) -> list[Tensor]:
        groups = self._zero.averaged_gradients.values()
        return [gradient for group in groups if group is not None for gradient in group]

    def void(self, gradients: Sequence[Tensor]) -> None:
        # DeepSpeed then skips the step, which it does on all ranks for a NaN on one.
        for gradient in gradients:
            gradient.fill_(torch.nan)

    def slot(self, parameter: nn.Parameter, name: str) -> Tensor:
        flat: Tensor = self._state[self._pieces[0]][name]
        if flat.dim() == 0:
            return flat
        found: Tensor = self._utils.safe_get_full_optimizer_state(parameter, name)
        return found

    def set_slot(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        if value.dim() > 0:
            self._set_part(parameter, name, value)
            return
        for piece in self._pieces:
            self._state[piece][name].copy_(value)

    def _set_part(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
        """Fills this rank's part of a slot."""
        self._utils.safe_set_full_optimizer_state(parameter, value, name)


class _SplitSlots(_Split):
    """Stages 1 and 2: whole weights, and a leading copy in flat pieces with its slots."""

    pieces_of = "single_partition_of_fp32_groups"

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        # In float32 both copies are equal, so the module's own is read.
        super().set_value(parameter, value)
        self._utils.safe_set_full_fp32_param(parameter, value)

    def prepare(self, counts: Mapping[str, bool]) -> None:
        super().prepare(counts)
        # Gives each parameter the place of its own part in the flat slots.
        self._zero._lazy_init_hp_params_optimizer_state()


class _SplitWeights(_Split):
    """Stage 3: an equal piece of every parameter on each rank."""

    pieces_of = "fp32_partitioned_groups_flat"

    def value(self, parameter: Tensor) -> Tensor:
        if not parameter.requires_grad:
            return self._whole(parameter)
        found: Tensor = self._utils.safe_get_full_fp32_param(parameter)
        return found

    def _whole(self, tensor: Tensor) -> Tensor:
        """A buffer, or a parameter that no optimizer has, so that there is no leading copy."""
        if not isinstance(tensor, nn.Parameter):
            return tensor.detach()
        with self._deepspeed.zero.GatheredParameters([tensor]):
            return tensor.detach().clone()

    def set_value(self, parameter: nn.Parameter, value: Tensor) -> None:
        # The leading pieces, and then those with which the learner computes.
        self._utils.safe_set_local_fp32_param(parameter, self._piece(parameter, value))
        with self._deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
            parameter.copy_(value)

    def _set_part(self, parameter: nn.Parameter, name: str, value: Tensor) -> None:
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

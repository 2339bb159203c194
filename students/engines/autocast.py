"""Autocast: a learner's outputs in the recipe's precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InPrecision(nn.Module):
    """A learner in ``fp32`` or ``bf16``; weights, buffers and outputs are float32 in both.

    In bf16 the *module* opens autocast, not the engine around it: DeepSpeed's own setting would
    also send some gradients as bf16, at some ZeRO stages, and so change bits.
    """

    def __init__(self, learner: nn.Module, precision: str, device_type: str) -> None:
        super().__init__()
        self.learner = learner
        self._bf16 = precision == "bf16"
        self._device_type = device_type

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """The learner's outputs by name."""
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._bf16):
            outputs = self.learner(inputs)
        return {name: value.float() for name, value in outputs.items()}

"""Autocast: a learner's outputs in the recipe's precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    def forward(self, inputs: Tensor) -> Any:
        """The learner's outputs, floating-point ones in float32."""
        if not self._bf16:
            return self.learner(inputs)
        with torch.autocast(self._device_type, torch.bfloat16):
            outputs = self.learner(inputs)
        return _float32(outputs)


def _float32(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, Mapping):
        return {name: _float32(value) for name, value in outputs.items()}
    return outputs

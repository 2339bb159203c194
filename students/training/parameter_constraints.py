"""What holds parameters after each step, whatever the optimizer did: max norm, a frozen gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from students.engines.engine import Engine
from students.objectives.teacher_gate import GATE, Gating


def max_norm(largest: float) -> Callable[[str, Tensor], Tensor | None]:
    """A change of parameters that scales down each unit whose incoming weights are too long.

    A unit's incoming weights are one slice along the first axis of a matrix or kernel; its
    L2 norm is brought down to ``largest`` where it is greater (Hinton et al., 2012,
    *Improving neural networks by preventing co-adaptation*, section 2). Biases and
    parameters of adapters stay as they are.
    """

    def change(name: str, value: Tensor) -> Tensor | None:
        if value.ndim < 2 or not name.startswith("model."):
            return None
        norms = torch.linalg.vector_norm(value.flatten(1), dim=1)
        if not bool((norms > largest).any()):
            return None
        scale = (largest / norms.clamp_min(1e-12)).clamp_max(1.0)
        limited: Tensor = value * scale.view(-1, *[1] * (value.ndim - 1))
        return limited

    return change


@dataclass
class GateFreeze:
    """Keeps the gating network unchanged from epoch ``gating.learns_for`` on. Without gradients
    alone, momentum and weight decay would still move its parameters.

    They are kept at what they are before the first step of such an epoch that this attempt makes.
    After a resume that is the same, for each step before has kept them too.
    """

    gating: Gating | None
    _kept: dict[str, Tensor] = field(default_factory=dict)

    def before_step(self, engine: Engine, epoch: int) -> None:
        """Copies the gating network's parameters, once; collective."""
        if self.gating is not None and self.gating.frozen_in(epoch) and not self._kept:
            engine.constrain(self._keep)

    def after_step(self, engine: Engine) -> None:
        """Puts the copies back; collective."""
        if self._kept:
            engine.constrain(lambda name, value: self._kept.get(name))

    def _keep(self, name: str, value: Tensor) -> None:
        if name.startswith(f"{GATE}."):
            self._kept[name] = value.clone()

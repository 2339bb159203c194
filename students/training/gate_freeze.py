"""Holds a gate's parameters where they are once it has learnt for as long as it should."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from students.engines.engine import Engine
from students.objectives.layer_refs import Gating
from students.objectives.teacher_gate import GATE


@dataclass
class GateFreeze:
    """Keeps the gate still from epoch ``gating.learns_for`` on, whatever the optimizer does:
    without any gradient its momentum and weight decay would move the parameters yet.

    What is held is what the parameters are before the first step of such an epoch that this
    attempt makes. After a resume these are the same, for each step before has held them.
    """

    gating: Gating | None
    _held: dict[str, Tensor] = field(default_factory=dict)

    def before_step(self, engine: Engine, epoch: int) -> None:
        """Remembers the gate, once; collective."""
        if self.gating is not None and self.gating.frozen_in(epoch) and not self._held:
            engine.constrain(self._remember)

    def after_step(self, engine: Engine) -> None:
        """Puts the gate back where it was; collective."""
        if self._held:
            engine.constrain(lambda name, value: self._held.get(name))

    def _remember(self, name: str, value: Tensor) -> None:
        if name.startswith(f"{GATE}."):
            self._held[name] = value.clone()

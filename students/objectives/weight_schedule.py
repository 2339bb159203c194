"""A term's weight: a number, or a schedule over the epochs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cluster.section import Reason, Section, kind_first

Size = Annotated[float, Field(ge=0, le=1e6), Reason("it multiplies the loss and its gradients")]
Epochs = Annotated[int, Field(ge=1)]


class LinearWeight(Section):
    """From ``start`` in a straight line to ``end``, which is reached at epoch ``epochs``."""

    kind: Literal["linear"] = "linear"
    start: Size
    end: Size
    epochs: Epochs

    def at(self, epoch: int) -> float:
        """The weight in one epoch, the first of which is 0."""
        return self.start + (self.end - self.start) * min(epoch, self.epochs) / self.epochs

    def __str__(self) -> str:
        return f"from {self.start:g} in a straight line to {self.end:g} at epoch {self.epochs}"


class RampWeight(Section):
    """``value`` times exp(-5 (1 - e/L)^2), which rises to 1 at epoch L = ``epochs``.

    Source: Lan, Zhu & Gong (2018), released code (sigmoid ramp-up over 80 epochs).
    """

    kind: Literal["ramp"] = "ramp"
    value: Size = 1.0
    epochs: Epochs = 80

    def at(self, epoch: int) -> float:
        """The weight in one epoch, the first of which is 0."""
        missing = 1 - min(epoch, self.epochs) / self.epochs
        return self.value * math.exp(-5 * missing**2)

    def __str__(self) -> str:
        return f"from {self.at(0):.2g} in a ramp to {self.value:g} at epoch {self.epochs}"


class StopWeight(Section):
    """``value`` before epoch ``epoch``, and ``after`` from it on.

    Source: Cho & Hariharan (2019), early-stopped distillation.
    """

    kind: Literal["stop"] = "stop"
    value: Size
    epoch: Epochs
    after: Size = 0.0

    def at(self, epoch: int) -> float:
        """The weight in one epoch, the first of which is 0."""
        return self.value if epoch < self.epoch else self.after

    def __str__(self) -> str:
        return f"{self.value:g} before epoch {self.epoch}, then {self.after:g}"


Schedule = LinearWeight | RampWeight | StopWeight
Weight = Annotated[Schedule, Field(discriminator="kind"), BeforeValidator(kind_first)] | Size


def weight_at(weight: float | Schedule, epoch: int) -> float:
    """The weight in one epoch, the first of which is 0."""
    return weight if isinstance(weight, (int, float)) else weight.at(epoch)

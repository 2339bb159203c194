"""Learning-rate schedules: their settings, and the learning rate of a step."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cluster.section import Section, kind_first


class Constant(Section):
    """One learning rate for all steps."""

    kind: Literal["constant"] = "constant"
    warmup: Annotated[float, Field(ge=0)] = Field(0.0, description="epochs")


class Cosine(Section):
    """Half a cosine from the learning rate down to zero."""

    kind: Literal["cosine"] = "cosine"
    warmup: Annotated[float, Field(ge=0)] = Field(0.0, description="epochs")


class StepDecay(Section):
    """Times ``factor`` at each of ``milestones`` (epochs)."""

    kind: Literal["step"] = "step"
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    warmup: Annotated[float, Field(ge=0)] = Field(0.0, description="epochs")


LrSchedule = Annotated[
    Annotated[Constant | Cosine | StepDecay, Field(discriminator="kind")],
    BeforeValidator(kind_first),
]


def learning_rate(
    base: float, schedule: LrSchedule, *, step: int, steps_per_epoch: int, epochs: int
) -> float:
    """The rate of optimizer step ``step``, the first being 0.

    With s the step, S = ``steps_per_epoch * epochs`` and W = ``warmup * steps_per_epoch``:
    in the warm-up (s < W) it is ``base * (s + 1) / (W + 1)``, rising linearly; after it

    - constant: ``base``;
    - cosine: ``base * (1 + cos(pi * (s - W) / (S - W))) / 2``, which starts at ``base`` and
      would be 0 at step S, one after the last (Loshchilov & Hutter, 2017, section 3);
    - step: ``base * factor ** m``, with m the milestones reached (in epochs) by step s.
    """
    warmup = schedule.warmup * steps_per_epoch
    if step < warmup:
        return base * (step + 1) / (warmup + 1)
    match schedule:
        case Constant():
            return base
        case Cosine():
            whole = max(steps_per_epoch * epochs - warmup, 1)
            share = min((step - warmup) / whole, 1.0)
            return base * (1 + math.cos(math.pi * share)) / 2
        case StepDecay():
            reached = sum(step >= milestone * steps_per_epoch for milestone in schedule.milestones)
            return float(base * schedule.factor**reached)

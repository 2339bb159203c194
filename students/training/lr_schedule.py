"""The learning rate of a step, as a function of the step."""

from __future__ import annotations

import math

from students.config import Constant, Cosine, LrSchedule, StepDecay


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

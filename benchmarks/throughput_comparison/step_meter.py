"""Counts and times optimizer steps, and ends a turn when its time is over.

Every contender ends a step by ``optimizer.step()``, whoever wrote the loop around it; so that is
where steps are counted.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from torch.optim import Optimizer

from benchmarks.throughput_comparison.setting import BATCH


class TurnOver(Exception):
    """The turn has lasted as long as it should."""


@dataclass
class Meter:
    """``warm_up`` steps do not count; ``seconds`` after them the turn is over (none: never)."""

    warm_up: int
    seconds: float | None
    ends: list[float] = field(default_factory=list)

    def attach(self, optimizer: Optimizer) -> None:
        """Counts the steps of ``optimizer`` from now on."""
        optimizer.register_step_post_hook(self._step)

    def count(self) -> None:
        """One more step is done.

        Raises:
            TurnOver: it was the last one.
        """
        self.ends.append(time.perf_counter())
        if self.seconds is None or len(self.ends) <= self.warm_up:
            return
        if self.ends[-1] - self.ends[self.warm_up - 1] >= self.seconds:
            raise TurnOver

    def _step(self, *_: Any) -> None:
        self.count()

    @property
    def steps(self) -> int:
        """How many steps counted."""
        return max(0, len(self.ends) - self.warm_up)

    @property
    def images_per_second(self) -> float:
        """Pictures learnt from in a second of the steps that counted; 0.0 if none did."""
        if self.steps == 0:
            return 0.0
        return BATCH * self.steps / (self.ends[-1] - self.ends[self.warm_up - 1])

    @property
    def milliseconds(self) -> float:
        """The median of a step that counted; 0.0 if none did."""
        counted = self.ends[self.warm_up - 1 :]
        steps = [after - before for before, after in itertools.pairwise(counted)]
        return 1000 * median(steps) if steps else 0.0

"""Counts and times optimizer steps, and ends a run when its time is up.

Every peer ends a step by ``optimizer.step()``, whatever the loop around it, so steps are counted
there.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from torch.optim import Optimizer

from benchmarks.throughput_comparison.setting import BATCH


class TimeIsUp(Exception):
    """The run has lasted as long as it should."""


@dataclass
class Meter:
    """``warm_up`` steps do not count; ``seconds`` after them the run ends (None: never)."""

    warm_up: int
    seconds: float | None
    ends: list[float] = field(default_factory=list)

    def attach(self, optimizer: Optimizer) -> None:
        """Counts the steps of ``optimizer`` from now on."""
        optimizer.register_step_post_hook(self._step)

    def count(self) -> None:
        """Counts one step.

        Raises:
            TurnOver: it was the last one.
        """
        self.ends.append(time.perf_counter())
        if self.seconds is None or len(self.ends) <= self.warm_up:
            return
        if self.ends[-1] - self.ends[self.warm_up - 1] >= self.seconds:
            raise TimeIsUp

    def _step(self, *_: Any) -> None:
        self.count()

    @property
    def steps(self) -> int:
        """The number of steps that count."""
        return max(0, len(self.ends) - self.warm_up)

    @property
    def images_per_second(self) -> float:
        """Training images per second over the steps that count; 0.0 if none do."""
        if self.steps == 0:
            return 0.0
        return BATCH * self.steps / (self.ends[-1] - self.ends[self.warm_up - 1])

    @property
    def milliseconds(self) -> float:
        """The median time of a step that counts; 0.0 if none do."""
        counted = self.ends[self.warm_up - 1 :]
        steps = [after - before for before, after in itertools.pairwise(counted)]
        return 1000 * median(steps) if steps else 0.0

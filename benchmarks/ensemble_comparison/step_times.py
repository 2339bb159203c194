"""Step times of each method relative to the uniform mean's, measured in alternation.

In each round every method trains one short student that was never trained before; the median of
its steps' seconds counts. So a machine that is busy for a while slows all methods, and ratios are
taken within a round. The first round fills the bank and does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.ensemble_comparison.methods import UNTAUGHT, Method
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.training import StudentTraining
from cluster.errors import ClusterError
from orchestrator.errors import RecipeProblems
from students.errors import UserError

UNIFORM = "uniform"


@dataclass(frozen=True)
class StepCost:
    """A method's step time relative to the uniform mean's, and the share of it that teaching
    takes: what an untaught step of the same round does not need."""

    of_uniform: float
    share: float


def measure_steps(
    regime: Regime,
    methods: Sequence[Method],
    training: StudentTraining,
    *,
    rounds: int,
    done: Callable[[int], None],
) -> dict[str, list[float]]:
    """Seconds of a step by method, one figure for each round."""
    # A new seed each time: a stored student would be read, not measured.
    first = time.time_ns() // 1_000_000_000
    seconds: dict[str, list[float]] = {}
    measured = [method for method in methods if method.name not in regime.left_out]
    for number in range(rounds + 1):
        for method in list(measured):
            setting = method.settings(regime)[0]
            overrides = [*setting.overrides, f"student.train.epochs={regime.timing_epochs}"]
            try:
                (score,) = training.train(regime, overrides, first=first + number, seeds=1)
            except (RecipeProblems, UserError, ClusterError) as error:
                training.log(f"{method.name}: its steps cannot be measured: {error}")
                measured.remove(method)
                continue
            done(1)
            if number:
                seconds.setdefault(method.name, []).append(score.step)
    return seconds


def relative_costs(seconds: Mapping[str, Sequence[float]]) -> dict[str, StepCost]:
    """Medians over the rounds, by method; empty where there is nothing to compare with."""
    if UNIFORM not in seconds or UNTAUGHT not in seconds:
        return {}
    return {
        name: StepCost(
            of_uniform=median(a / b for a, b in zip(own, seconds[UNIFORM], strict=True)),
            share=median(1 - b / a for a, b in zip(own, seconds[UNTAUGHT], strict=True)),
        )
        for name, own in seconds.items()
    }

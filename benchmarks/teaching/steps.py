"""What a way's step takes beside a uniform one's, measured in turns.

In each round every way teaches one short student that was never taught before; the median of its
steps' seconds stands for the turn. So a machine that is busy for a while slows all of them, and
shares are taken round by round. The first round fills the bank and does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.teaching.regimes import Regime
from benchmarks.teaching.school import School
from benchmarks.teaching.ways import UNTAUGHT, Way
from cluster.errors import ClusterError
from orchestrator.errors import RecipeProblems
from students.errors import UserError

UNIFORM = "uniform"


@dataclass(frozen=True)
class Cost:
    """A way's step: times a uniform one's, and the share of it that teaching takes, which is what
    an untaught step beside it does not need."""

    of_uniform: float
    share: float


def seconds(
    regime: Regime, ways: Sequence[Way], school: School, *, rounds: int, done: Callable[[int], None]
) -> dict[str, list[float]]:
    """Seconds of a step by way, one figure for each round."""
    # Never before: what is stored would be read, and not measured.
    first = time.time_ns() // 1_000_000_000
    found: dict[str, list[float]] = {}
    willing = [way for way in ways if way.name not in regime.left_out]
    for number in range(rounds + 1):
        for way in list(willing):
            setting = way.settings(regime)[0]
            short = [*setting.overrides, f"student.train.epochs={regime.short}"]
            try:
                (score,) = school.teach(regime, short, first=first + number, seeds=1)
            except (RecipeProblems, UserError, ClusterError) as error:
                school.say(f"{way.name}: its steps cannot be measured: {error}")
                willing.remove(way)
                continue
            done(1)
            if number:
                found.setdefault(way.name, []).append(score.step)
    return found


def costs(turns: Mapping[str, Sequence[float]]) -> dict[str, Cost]:
    """Medians over the rounds, by way; empty where there is nothing to compare with."""
    if UNIFORM not in turns or UNTAUGHT not in turns:
        return {}
    return {
        name: Cost(
            of_uniform=median(a / b for a, b in zip(own, turns[UNIFORM], strict=True)),
            share=median(1 - b / a for a, b in zip(own, turns[UNTAUGHT], strict=True)),
        )
        for name, own in turns.items()
    }

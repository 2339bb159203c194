"""The page of results, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmarks.ensemble_comparison.table import difference
from benchmarks.ensemble_comparison.tuning import Budget, MethodResult
from benchmarks.schedule_comparison.arms import Arm, arms
from benchmarks.schedule_comparison.holm import LEVEL, corrected, p_value
from benchmarks.schedule_comparison.regimes import ScheduleRegime
from orchestrator.report.compare_seeds import spread
from orchestrator.results.finished_run import Paired

PROTOCOL = """\
Written by `{command}` on {machine}.

For every arm of a regime the same number of settings is tried: temperatures and weights of the
term with the teacher (the labels have the rest of 1), and as many weight decays for the untaught
student; the weight decay of all taught models is 0.0001. Intermediate models are trained as the
student is, with the setting that is tried. The setting with the best validation accuracy after the
last epoch, on seeds that are not compared, is trained with {seeds} seeds; the test part is never
used to choose. All arms of a regime have the same one teacher, so the intervals do not contain its
variation; intermediate models are trained again for each seed unless stated otherwise.

* Accuracies are mean ± standard deviation over the seeds, in %.
* *Difference* is that in test accuracy from the arm in *against*, in points, paired by seed, with
  its 95 % CI (Student's t) and the seeds won.
* *p* is of this difference, after Holm's correction for all {count} differences on this page. An
  arm is called better or worse only where it is below {level:g}. With {seeds} seeds only a large
  difference, or a very steady one, can be.
"""
HEAD = ("arm", "chosen on validation", "validation %", "test %", "against", "difference", "p")
SHARED = (
    "Intermediate models are the same for all seeds here, so the intervals do not contain their "
    "variation either."
)


@dataclass(frozen=True)
class RegimeResults:
    """The results so far of one regime, by the names of its arms."""

    regime: ScheduleRegime
    results: Mapping[str, MethodResult]

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms that have results, in order."""
        return tuple(arm for arm in arms(self.regime) if arm.name in self.results)


@dataclass(frozen=True)
class Claim:
    """The difference of an arm from the one that it is compared with; ``p`` is corrected."""

    regime: str
    arm: Arm
    gain: Paired
    p: float

    @property
    def sign(self) -> int:
        """1 or -1 where it may be claimed, else 0."""
        return 0 if self.p >= LEVEL else 1 if self.gain.mean > 0 else -1


def claims(every: Sequence[RegimeResults]) -> list[Claim]:
    """All differences, with p-values corrected for their number."""
    found = [
        (each.regime.name, arm, gain)
        for each in every
        for arm in each.arms
        if (gain := difference(each.results[arm.name], each.results.get(arm.against)))
    ]
    values = corrected([p_value(gain) for _, _, gain in found])
    return [Claim(*each, p) for each, p in zip(found, values, strict=True)]


def page(every: Sequence[RegimeResults], budget: Budget) -> Iterator[str]:
    """The protocol, then a section for each regime."""
    found = claims(every)
    yield "# Schedules, compared"
    yield ""
    yield from PROTOCOL.format(
        command=_command(every, budget),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}, one thread for each model",
        seeds=budget.seeds,
        count=len(found),
        level=LEVEL,
    ).splitlines()
    yield ""
    for each in every:
        yield f"## `{each.regime.name}`: {each.regime.description}"
        yield ""
        if each.results:
            yield from _section(
                each, {c.arm.name: c for c in found if c.regime == each.regime.name}
            )
        missing = [arm.name for arm in arms(each.regime) if arm.name not in each.results]
        if missing:
            yield f"Not compared: {', '.join(f'`{name}`' for name in missing)}."
            yield ""


def _command(every: Sequence[RegimeResults], budget: Budget) -> str:
    seeds = "" if budget == Budget() else f" --seeds {budget.seeds}"
    regimes = " ".join(each.regime.name for each in every)
    return f"python -m benchmarks.schedules ROOT --regimes {regimes}{seeds}"


def _section(each: RegimeResults, found: Mapping[str, Claim]) -> Iterator[str]:
    grid = ", ".join(
        f"T {temperature:g} with weight {weight:g}" for temperature, weight in each.regime.grid
    )
    decays = ", ".join(f"{decay:g}" for decay in each.regime.untaught_decays)
    count = each.regime.tuning_seeds
    yield (
        f"{each.regime.epochs} epochs (the teacher {each.regime.teacher_epochs}). Tried, with "
        f"{count} {'seed' if count == 1 else 'seeds'}: {grid}; untaught: weight decay {decays}."
    )
    if each.regime.shared_assistants:
        yield SHARED
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for arm in each.arms:
        yield f"| {' | '.join(_row(arm, each.results[arm.name], found.get(arm.name)))} |"
    yield ""
    yield from (f"* `{arm.name}`: {arm.description}." for arm in each.arms)
    yield ""
    for words, sign in (("Better", 1), ("Worse", -1), ("No significant difference", 0)):
        names = [_difference_words(claim) for claim in found.values() if claim.sign == sign]
        yield f"{words}: {', '.join(names) or 'none'}."
        yield ""


def _row(arm: Arm, result: MethodResult, claim: Claim | None) -> tuple[str, ...]:
    compared = ("", "", "")
    if claim is not None:
        gain = claim.gain
        interval = ""
        if gain.low is not None and gain.high is not None:
            interval = f" ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
        wins = f"{gain.wins} of {gain.count}"
        mark = "**" if claim.sign else ""
        compared = (
            f"`{arm.against}`",
            f"{mark}{100 * gain.mean:+.2f}{mark}{interval}, {wins}",
            f"{claim.p:.2g}",
        )
    validation = _percent([score.validation for score in result.scores])
    return (arm.name, result.chosen, validation, _percent(result.tests), *compared)


def _percent(shares: Sequence[float]) -> str:
    found = spread(shares)
    deviation = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    return f"{100 * found.mean:.2f}{deviation}"


def _difference_words(claim: Claim) -> str:
    return f"`{claim.arm.name}` ({100 * claim.gain.mean:+.2f} against `{claim.arm.against}`)"

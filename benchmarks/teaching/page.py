"""The page that says what was found, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import torch

from benchmarks.teaching.comparison import Comparison, Problems
from benchmarks.teaching.contest import Budget, Found
from benchmarks.teaching.overview import overview
from benchmarks.teaching.regimes import Regime
from benchmarks.teaching.school import School
from benchmarks.teaching.steps import UNIFORM, costs
from benchmarks.teaching.table import lines
from benchmarks.teaching.ways import WAYS

EXPLAINED = """\
Written by `{command}` on {machine}.

Every way of teaching, the untaught student among them, has the same number of trials in a regime:
each learning rate with each weight decay and three choices of what matters most to it (which
teacher for `single`, the weight of a term, the size of noise); the untaught student, with nothing
to choose, three times as many weight decays. The setting with the
best validation accuracy after the last epoch, on seeds that are not compared, is taught with
{seeds} seeds; the test part chooses nothing. All students of a regime have the same teachers, and
temperature 4. Test accuracies are mean ± standard deviation over the seeds. Differences are in
points, over the same seeds, with their 95 % interval (Student's t) and the seeds won; a way is
called better or worse where that interval leaves out zero. *Changed* is the share of the samples
on which the rule moved the target by more than 0.01 (total variation) from the uniform mean's.
*Step* is the time of a step, times that of a uniform step that took turns with it; *share* is what
of the step teaching takes, that is all that an untaught step lacks, the reading of stored answers
with it.

What is tried was moved four times after first runs, whose test figures had been seen too, because
validation had chosen an edge: the learning rates of all ways on digits (from 0.1 and 0.2), the
decays of `untaught` (0.04 for 0.0005), the weights of `correlation` (from 0.5, 1 and 3) and the
temperatures of `standardize` (from 1, 2 and 4). So the latter three had more chances than the
other ways, of which many chose an edge too and were left there.
"""


def page(comparison: Comparison, problems: Problems, picture: Path | None = None) -> Iterator[str]:
    """All sections, after how they came about; ``picture`` lies beside the page."""
    yield "# Ways of teaching by an ensemble, compared"
    yield ""
    yield from EXPLAINED.format(
        command=" ".join(["python -m benchmarks.ensembles ROOT", *_options(comparison)]),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}, one thread for each student",
        seeds=comparison.budget.seeds,
    ).splitlines()
    yield ""
    yield "| way | kind | who or what teaches |"
    yield "|---|---|---|"
    yield from (f"| {way.name} | {way.family} | {way.says} |" for way in comparison.ways)
    yield ""
    shown = comparison.findings(problems)
    if shown:
        yield "## All at a glance"
        yield ""
        yield from overview(shown)
        if picture is not None:
            yield f"![Each way's difference to the uniform mean]({picture.name})"
            yield ""
    for regime in comparison.regimes:
        yield f"## `{regime.name}`: {regime.says}"
        yield ""
        if regime.name in shown:
            yield from _section(comparison, regime, shown[regime.name])
        else:
            yield "Not compared yet."
            yield ""


def _section(comparison: Comparison, regime: Regime, found: Mapping[str, Found]) -> Iterator[str]:
    teachers = School(comparison.home, print).teachers(regime)
    turns = comparison.steps().get(regime.name, {})
    yield from lines(regime, found, costs(turns), teachers)
    if UNIFORM in turns:
        step = 1e3 * median(turns[UNIFORM])
        yield f"A `uniform` step takes {step:.2g} ms (median of {len(turns[UNIFORM])} rounds)."
    else:
        yield "Steps were not measured here."
    yield ""
    if coming := [f"`{way.name}`" for way in comparison.ways if way.name not in found]:
        yield f"Not compared yet: {', '.join(coming)}."
        yield ""


def _options(comparison: Comparison) -> Iterator[str]:
    """What of the command line decides what is found, as it would be given again."""
    yield from ("--regimes", *(regime.name for regime in comparison.regimes))
    if len(comparison.ways) < len(WAYS):
        yield from ("--ways", *(way.name for way in comparison.ways))
    if comparison.budget != Budget():
        yield f"--seeds {comparison.budget.seeds}"
    if comparison.budget.trials is not None:
        yield f"--trials {comparison.budget.trials}"

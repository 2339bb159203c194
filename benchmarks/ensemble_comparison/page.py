"""The page of results, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import torch

from benchmarks.ensemble_comparison.comparison import Comparison, Problems
from benchmarks.ensemble_comparison.methods import METHODS
from benchmarks.ensemble_comparison.overview import overview
from benchmarks.ensemble_comparison.regimes import Regime
from benchmarks.ensemble_comparison.step_times import UNIFORM, relative_costs
from benchmarks.ensemble_comparison.table import regime_section
from benchmarks.ensemble_comparison.training import StudentTraining
from benchmarks.ensemble_comparison.tuning import Budget, MethodResult

PROTOCOL = """\
Written by `{command}` on {machine}.

All methods, the untaught student among them, have the same number of trials in a regime: each
learning rate with each weight decay and three choices of what matters most to the method (which
teacher for `single`, the weight of a term, the size of noise). The untaught student, which has
nothing to choose, has three times as many weight decays instead. The setting with the best
validation accuracy after the last epoch, on seeds that are not compared, is trained with {seeds}
seeds; the test part is never used to choose. All students of a regime have the same teachers, and
temperature 4.

How to read the tables:

* Accuracies are mean ± standard deviation over the seeds, in %.
* *vs untaught* and *vs uniform mean* are differences in test accuracy in points, paired by seed,
  with their 95 % CI (Student's t) and the seeds won. A method is called better or worse if this
  interval excludes zero.
* *Targets changed* is the share of the samples whose target the rule changes by more than 0.01
  (total variation) from the uniform mean's.
* *Step time* is relative to that of a uniform step measured in alternation with it; *teaching
  share* is the part of the step that an untaught step does not need, including the reading of
  stored answers.

The settings tried were changed four times after first runs, whose test figures had been seen,
because validation had chosen an extreme: the learning rates of all methods on digits (from 0.1 and
0.2), the decays of `untaught` (0.04 for 0.0005), the weights of `correlation` (from 0.5, 1 and 3)
and the temperatures of `standardize` (from 1, 2 and 4). So the latter three had more chances than
the other methods, many of which chose an extreme too and were left there.
"""


def page(comparison: Comparison, problems: Problems, picture: Path | None = None) -> Iterator[str]:
    """All sections, after the protocol; ``picture`` is a file beside the page."""
    yield "# Methods of distilling an ensemble, compared"
    yield ""
    yield from PROTOCOL.format(
        command=" ".join(["python -m benchmarks.ensembles ROOT", *_options(comparison)]),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}, one thread for each student",
        seeds=comparison.budget.seeds,
    ).splitlines()
    yield ""
    yield "| method | kind | what the student is trained with |"
    yield "|---|---|---|"
    yield from (
        f"| {each.name} | {each.family} | {each.description} |" for each in comparison.methods
    )
    yield ""
    shown = comparison.results_by_regime(problems)
    if shown:
        yield "## Overview"
        yield ""
        yield from overview(shown)
        if picture is not None:
            alt = "Difference in test accuracy of each method from the uniform mean, by regime"
            yield f"![{alt}]({picture.name})"
            yield ""
    for regime in comparison.regimes:
        yield f"## `{regime.name}`: {regime.description}"
        yield ""
        if regime.name in shown:
            yield from _section(comparison, regime, shown[regime.name])
        else:
            yield "Not compared yet."
            yield ""


def _section(
    comparison: Comparison, regime: Regime, results: Mapping[str, MethodResult]
) -> Iterator[str]:
    teachers = StudentTraining(comparison.home, print).teachers(regime)
    seconds = comparison.step_seconds().get(regime.name, {})
    yield from regime_section(regime, results, relative_costs(seconds), teachers)
    if UNIFORM in seconds:
        step = 1e3 * median(seconds[UNIFORM])
        yield f"A `uniform` step takes {step:.2g} ms (median of {len(seconds[UNIFORM])} rounds)."
    else:
        yield "Step times were not measured in this regime."
    yield ""
    if missing := [f"`{each.name}`" for each in comparison.methods if each.name not in results]:
        yield f"Not compared yet: {', '.join(missing)}."
        yield ""


def _options(comparison: Comparison) -> Iterator[str]:
    """The options that determine the results, as on the command line."""
    yield from ("--regimes", *(regime.name for regime in comparison.regimes))
    if len(comparison.methods) < len(METHODS):
        yield from ("--methods", *(method.name for method in comparison.methods))
    if comparison.budget != Budget():
        yield f"--seeds {comparison.budget.seeds}"
    if comparison.budget.trials is not None:
        yield f"--trials {comparison.budget.trials}"

"""Compares ways of teaching by an ensemble: combining rules, noise, terms, with one tuning budget.

    python -m benchmarks.ensembles ROOT [--regimes digits mnist-all] [--ways uniform confidence]
        [--seeds 5] [--trials N] [--home DIR] [--cost 5] [--markdown FILE] [--json FILE]

``ROOT`` holds torchvision's MNIST, cifar-10-batches-py and the published ResNets under
``weights``. For every way each of the regime's learning rates is tried with each of its weight
decays and each of three choices, and for the untaught student with three times as many decays;
the best on the validation part (last epoch, seeds from 1000 on) is taught with seeds 0 to 4. The
test part chooses nothing. All ways of a regime share its teachers and their stored answers, and
each student is a run as ``stillhouse run`` would have it, in this process, on one thread.

What is stored in ``--home`` is not computed again, so the same command goes on with a run that
was broken off. Several such commands may share a home, to use several cores: each takes what no
other works on, and the last one prints the whole. ``--cost`` measures steps beside each other, in
that many rounds; have nothing else run then. A way that this version refuses is named with the
reason. ``--trials`` tries the first so many settings alone, ``--show`` teaches nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.teaching.contest import Budget, Found, Records, course
from benchmarks.teaching.regimes import Regime, regimes
from benchmarks.teaching.school import School
from benchmarks.teaching.steps import costs, seconds
from benchmarks.teaching.table import lines, tuning
from benchmarks.teaching.ways import WAYS, Way

HOME = Path(".stillhouse")
Steps = dict[str, dict[str, list[float]]]
"""Seconds of a step, by regime and way, one figure for each round."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where it is kept."""

    regimes: tuple[Regime, ...]
    ways: tuple[Way, ...]
    budget: Budget
    home: Path

    @property
    def records(self) -> Records:
        """What was found so far."""
        return Records(self.home / "ensembles")

    @property
    def students(self) -> int:
        """How many students the whole has at most."""
        return sum(
            len(way.settings(regime)[: self.budget.trials]) * regime.tuning_seeds
            + self.budget.seeds
            for regime in self.regimes
            for way in self.ways
            if way.name not in regime.left_out
        )

    def found(self, regime: Regime) -> dict[str, Found]:
        """What is known of a regime, by way; without what was never found."""
        known = {way.name: self._known(way, regime) for way in self.ways}
        return {name: found for name, found in known.items() if found is not None}

    def _known(self, way: Way, regime: Regime) -> Found | None:
        if reason := regime.left_out.get(way.name):
            return Found(way.name, problem=reason)
        return self.records.read(way, regime, self.budget)

    @property
    def _measured(self) -> Path:
        return self.home / "ensembles" / "steps.json"

    def steps(self) -> Steps:
        """What was measured of steps so far."""
        if not self._measured.exists():
            return {}
        kept: Steps = json.loads(self._measured.read_text())
        return kept

    def keep_steps(self, regime: Regime, turns: dict[str, list[float]]) -> None:
        """Keeps what was measured in one regime."""
        self._measured.parent.mkdir(parents=True, exist_ok=True)
        self._measured.write_text(json.dumps({**self.steps(), regime.name: turns}, indent=1))


def compare(comparison: Comparison, console: Console, rounds: int) -> dict[str, dict[str, Found]]:
    """Teaches whatever is left; gives the problems of ways that cannot be taught, by regime."""
    problems: dict[str, dict[str, Found]] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("students"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("ways of teaching", total=comparison.students)
        school = School(comparison.home, lambda words: console.print(words, markup=False))

        def done(students: int) -> None:
            bars.advance(task, students)

        began = time.monotonic()
        everything = (comparison.regimes, comparison.ways, school, comparison.records)
        for regime, found in course(*everything, comparison.budget, done):
            console.print(
                f"{time.monotonic() - began:6.0f} s  {_told(regime, found)}", markup=False
            )
            if found.problem:
                problems.setdefault(regime.name, {})[found.way] = found
        for regime in comparison.regimes if rounds else ():
            turns = seconds(regime, comparison.ways, school, rounds=rounds, done=lambda count: None)
            comparison.keep_steps(regime, turns)
    return problems


def _told(regime: Regime, found: Found) -> str:
    if found.problem:
        return f"{regime.name}, {found.way}: {found.problem}"
    mean = 100 * sum(found.tests) / len(found.tests)
    return f"{regime.name}, {found.way}: {found.chosen}: {mean:.2f} % (test)"


def page(comparison: Comparison, problems: dict[str, dict[str, Found]]) -> Iterator[str]:
    """All sections, after how they came about."""
    budget, steps = comparison.budget, comparison.steps()
    yield "# Ways of teaching by an ensemble, compared"
    yield ""
    yield from EXPLAINED.format(
        command=" ".join(["python -m benchmarks.ensembles ROOT", *_options(comparison)]),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}, one thread for each student",
        seeds=budget.seeds,
    ).splitlines()
    yield ""
    for regime in comparison.regimes:
        found = {**comparison.found(regime), **problems.get(regime.name, {})}
        ordered = {way.name: found[way.name] for way in comparison.ways if way.name in found}
        if any(each.scores for each in ordered.values()):
            teachers = School(comparison.home, print).teachers(regime)
            yield from lines(regime, ordered, costs(steps.get(regime.name, {})), teachers)
            if coming := [f"`{way.name}`" for way in comparison.ways if way.name not in ordered]:
                yield f"Not compared yet: {', '.join(coming)}."
                yield ""
        else:
            yield f"## {regime.says}"
            yield ""
            yield "Not compared yet."
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
"""


def as_object(comparison: Comparison, problems: dict[str, dict[str, Found]]) -> dict[str, Any]:
    """All figures."""
    return {
        regime.name: {
            "says": regime.says,
            "ways": {
                name: asdict(found)
                for name, found in {
                    **comparison.found(regime),
                    **problems.get(regime.name, {}),
                }.items()
            },
            "step_seconds": comparison.steps().get(regime.name, {}),
        }
        for regime in comparison.regimes
    }


def asked(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = list(regimes(Path()))
    parser.add_argument("root", type=Path)
    parser.add_argument("--regimes", nargs="+", choices=names, default=names)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=Budget.seeds)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--cost", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="teach nobody: what is found so far")
    parser.add_argument("--tuning", action="store_true", help="print every trial's validation too")
    return parser.parse_args(arguments)


def main() -> None:
    """Prints the tables, or writes them."""
    said = asked()
    every = regimes(said.root.expanduser().absolute())
    comparison = Comparison(
        tuple(every[name] for name in said.regimes),
        tuple(WAYS[name] for name in WAYS if name in said.ways),
        Budget(said.seeds, said.trials),
        said.home.absolute(),
    )
    console = Console(stderr=True, soft_wrap=True)
    problems = {} if said.show else compare(comparison, console, said.cost)
    text = "\n".join(page(comparison, problems))
    if said.markdown is None:
        print(text)
    else:
        said.markdown.write_text(f"{text}\n")
    if said.tuning:
        for regime in comparison.regimes:
            for line in tuning(comparison.found(regime)):
                print(f"{regime.name}, {line}")
    if said.json is not None:
        said.json.write_text(json.dumps(as_object(comparison, problems), indent=1))


if __name__ == "__main__":
    main()

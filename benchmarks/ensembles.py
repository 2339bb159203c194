"""Compares ways of teaching by an ensemble: combining rules, noise, terms, with one tuning budget.

    python -m benchmarks.ensembles ROOT [--regimes digits mnist-all] [--ways uniform confidence]
        [--seeds 5] [--trials N] [--home DIR] [--cost 5] [--markdown FILE] [--picture FILE]
        [--json FILE]

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
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.teaching.comparison import Comparison, Problems
from benchmarks.teaching.contest import Budget, Found, course
from benchmarks.teaching.overview import picture
from benchmarks.teaching.page import page
from benchmarks.teaching.regimes import Regime, regimes
from benchmarks.teaching.school import School
from benchmarks.teaching.steps import seconds
from benchmarks.teaching.table import tuning
from benchmarks.teaching.ways import WAYS
from orchestrator.report.plot_elements import save

HOME = Path(".stillhouse")


def compare(comparison: Comparison, console: Console, rounds: int) -> Problems:
    """Teaches whatever is left; gives the problems of ways that cannot be taught, by regime."""
    problems: Problems = {}
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
    parser.add_argument("--picture", type=Path, help="a PNG beside the page")
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
    shown = comparison.findings(problems)
    if said.picture is not None and shown:
        save(picture(shown), said.picture)
    text = "\n".join(page(comparison, problems, said.picture))
    if said.markdown is None:
        print(text)
    else:
        said.markdown.write_text(f"{text}\n")
    if said.tuning:
        for regime in comparison.regimes:
            for line in tuning(comparison.found(regime)):
                print(f"{regime.name}, {line}")
    if said.json is not None:
        said.json.write_text(json.dumps(comparison.as_object(problems), indent=1))


if __name__ == "__main__":
    main()

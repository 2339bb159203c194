"""Compares methods of distilling an ensemble: weighting rules, noise, terms; one tuning budget.

    python -m benchmarks.ensembles ROOT [--regimes digits mnist-all] [--methods uniform confidence]
        [--seeds 5] [--trials N] [--home DIR] [--cost 5] [--markdown FILE] [--picture FILE]
        [--json FILE]

``ROOT`` holds torchvision's MNIST, cifar-10-batches-py and the published ResNets under
``weights``. For every method each of the regime's learning rates is tried with each of its
weight decays and each of three choices, and for the untaught student with three times as many
decays; the best on the validation part (last epoch, seeds from 1000 on) is trained with seeds 0 to
4. The test part is never used to choose. All methods of a regime share its teachers and their
stored answers, and each student is a run as by ``stillhouse run``, in this process, on one thread.

What is stored in ``--home`` is not computed again, so the same command resumes an interrupted one.
Several such commands may share a home, to use several cores: each takes what no other works on,
and the last one prints the whole. ``--cost`` measures step times in alternation, in that many
rounds; run nothing else then. A method that is refused is named with the reason. ``--trials`` tries
only the first so many settings, ``--show`` trains nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.ensemble_comparison.comparison import Comparison, Problems
from benchmarks.ensemble_comparison.methods import METHODS
from benchmarks.ensemble_comparison.overview import plot
from benchmarks.ensemble_comparison.page import page
from benchmarks.ensemble_comparison.regimes import Regime, regimes
from benchmarks.ensemble_comparison.step_times import measure_steps
from benchmarks.ensemble_comparison.table import tuning
from benchmarks.ensemble_comparison.training import StudentTraining
from benchmarks.ensemble_comparison.tuning import Budget, MethodResult, run_comparison

HOME = Path(".stillhouse")


def compare(comparison: Comparison, console: Console, rounds: int) -> Problems:
    """Trains what is not stored; returns the methods that cannot be trained, by regime."""
    problems: Problems = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("students", total=comparison.students)
        training = StudentTraining(
            comparison.home, lambda words: console.print(words, markup=False)
        )

        def done(students: int) -> None:
            bars.advance(task, students)

        began = time.monotonic()
        everything = (comparison.regimes, comparison.methods, training, comparison.store)
        for regime, result in run_comparison(*everything, comparison.budget, done):
            console.print(
                f"{time.monotonic() - began:6.0f} s  {_progress_line(regime, result)}", markup=False
            )
            if result.problem:
                problems.setdefault(regime.name, {})[result.method] = result
        for regime in comparison.regimes if rounds else ():
            seconds = measure_steps(
                regime, comparison.methods, training, rounds=rounds, done=lambda count: None
            )
            comparison.store_steps(regime, seconds)
    return problems


def _progress_line(regime: Regime, result: MethodResult) -> str:
    if result.problem:
        return f"{regime.name}, {result.method}: {result.problem}"
    mean = 100 * sum(result.tests) / len(result.tests)
    return f"{regime.name}, {result.method}: {result.chosen}: {mean:.2f} % (test)"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = list(regimes(Path()))
    parser.add_argument("root", type=Path)
    parser.add_argument("--regimes", nargs="+", choices=names, default=names)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=Budget.seeds)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--cost", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--picture", type=Path, help="a PNG file beside the page")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="train nothing, print the results")
    parser.add_argument(
        "--tuning", action="store_true", help="print each trial's validation accuracy"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Prints the page, or writes it."""
    options = parse_arguments()
    every = regimes(options.root.expanduser().absolute())
    comparison = Comparison(
        tuple(every[name] for name in options.regimes),
        tuple(METHODS[name] for name in METHODS if name in options.methods),
        Budget(options.seeds, options.trials),
        options.home.absolute(),
    )
    console = Console(stderr=True, soft_wrap=True)
    problems = {} if options.show else compare(comparison, console, options.cost)
    shown = comparison.results_by_regime(problems)
    if options.picture is not None and shown:
        # Without the version of the software, so that the same figure is the same file.
        plot(shown).savefig(options.picture, dpi=120, metadata={"Software": None})
    text = "\n".join(page(comparison, problems, options.picture))
    if options.markdown is None:
        print(text)
    else:
        options.markdown.write_text(f"{text}\n")
    if options.tuning:
        for regime in comparison.regimes:
            for line in tuning(comparison.results(regime)):
                print(f"{regime.name}, {line}")
    if options.json is not None:
        options.json.write_text(json.dumps(comparison.as_object(problems), indent=1))


if __name__ == "__main__":
    main()

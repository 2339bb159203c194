"""Compares schedules: paths of assistants, generations, routes, teachers that stop early.

    python -m benchmarks.schedules ROOT [--regimes digits mnist] [--arms direct "by 64"]
        [--seeds 5] [--home DIR] [--markdown FILE] [--json FILE] [--show]

``ROOT`` holds torchvision's MNIST and cifar-10-batches-py. For every arm of a regime the same few
temperatures and weights of soft targets are tried (weight decays for the untaught student); the
best on the validation part (last epoch, seeds from 1000 on) is trained with seeds 0 to 4. The test
part is never used to choose. All arms of a regime have one teacher.

What is stored in ``--home`` is not computed again, so the same command resumes an interrupted one.
Several such commands may share a home, to use several cores: each takes arms on which no other
works, and the last one prints the whole. ``--show`` trains nothing and prints what there is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.ensemble_comparison.tuning import Budget, ResultStore, run_method
from benchmarks.schedule_comparison.arms import Arm, arms
from benchmarks.schedule_comparison.page import RegimeResults, page
from benchmarks.schedule_comparison.regimes import ScheduleRegime, regimes
from benchmarks.schedule_comparison.training import ScheduleTraining

HOME = Path(".stillhouse")
Plan = Sequence[tuple[ScheduleRegime, Arm]]


def train_missing(plan: Plan, home: Path, budget: Budget, console: Console) -> None:
    """Trains all arms that are not stored and on which no other process works."""
    store, began = ResultStore(home / "schedules"), time.monotonic()

    def log(words: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {words}", markup=False)

    for regime, arm in plan:
        lock = store.claim(arm, regime)
        if lock is None:
            continue
        with lock:
            if store.read(arm, regime, budget) is not None:
                continue
            training = ScheduleTraining(home, log, arm.mean_of_generations)
            result = run_method(arm, regime, training, budget, lambda count: None)
            store.write(result, arm, regime, budget)
        tests = ", ".join(f"{100 * each:.2f}" for each in result.tests)
        log(f"{regime.name}, {arm.name}: {result.problem or f'{result.chosen}: {tests}'}")


def stored_results(
    every: Iterable[ScheduleRegime], home: Path, budget: Budget
) -> Iterator[RegimeResults]:
    """The results so far of each regime, in the order of the tables."""
    store = ResultStore(home / "schedules")
    for regime in every:
        found = {arm.name: store.read(arm, regime, budget) for arm in arms(regime)}
        yield RegimeResults(
            regime, {name: result for name, result in found.items() if result is not None}
        )


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = list(regimes(Path()))
    parser.add_argument("root", type=Path)
    parser.add_argument("--regimes", nargs="+", choices=names, default=names)
    parser.add_argument("--arms", nargs="+", help="default: all")
    parser.add_argument("--seeds", type=int, default=Budget.seeds)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="train nothing, print the results")
    return parser.parse_args(arguments)


def main() -> None:
    """Prints the page, or writes it."""
    options = parse_arguments()
    every = regimes(options.root.expanduser().absolute())
    compared = [every[name] for name in options.regimes]
    budget, home = Budget(options.seeds), options.home.absolute()
    if not options.show:
        plan = [(regime, arm) for regime in compared for arm in arms(regime)]
        chosen = [each for each in plan if not options.arms or each[1].name in options.arms]
        train_missing(chosen, home, budget, Console(stderr=True, soft_wrap=True))
    results = list(stored_results(compared, home, budget))
    text = "\n".join(page(results, budget))
    if options.markdown is None:
        print(text)
    else:
        options.markdown.write_text(f"{text}\n")
    if options.json is not None:
        found = {
            each.regime.name: {name: asdict(result) for name, result in each.results.items()}
            for each in results
        }
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Compares throughput with other distillation libraries, in alternation over several rounds.

    python -m benchmarks.peers ROOT [--rounds 3] [--accuracy SEEDS] [--json FILE]

``ROOT`` holds cifar-10-batches-py and the weights of ResNet-56, 44 and 32 under ``weights``: the
teachers (the first, or all three) of a ResNet-8. All have the same samples, crop and flip,
batches of 128, SGD at 0.1 with momentum and a cosine, temperature 4, weights 0.1 of labels and
0.9 of answers, and all cores. The peers come from ``pip install -e '.[peers]'``; those that are
not installed are left out.

Each has its own process. The peers train for some seconds, with the number of DataLoader
processes that is fastest for them. This project runs a recipe of some epochs of a
fraction of the samples by its command. Rates are of the steps after the first few, from the end of
one step to the end of the next. The bank is emptied before each run that fills it (``filling``);
the runs after it (``filled``) read these answers, and their students have other seeds. ``filled by
one`` has one teacher. The teachers are tuned before, by a run of full length that is interrupted.

Then five students by one command, from an empty bank, are compared with five separate runs of
TextBrewer, of which ``--textbrewer-runs`` are measured: whole wall times, process starts included;
the teachers' evaluation and tuning are stored already. ``--accuracy`` trains all for the same few
epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from benchmarks.throughput_comparison.our_runs import (
    RUNS,
    OurRun,
    Precision,
    Workload,
    command,
    delete_answers,
    measure,
    share_of_raw_bytes,
)
from benchmarks.throughput_comparison.peer_runs import PeerRunner, best_loaders, installed
from benchmarks.throughput_comparison.results import (
    REFERENCE,
    Comparison,
    Figures,
    Goal,
    format_mean,
    goals,
    inferences,
    table,
)
from benchmarks.throughput_comparison.teacher_tuning import tune_teachers

REPEATS = 5
LIVE_IN_FP32 = "live, fp32 teachers"
IN_ROUNDS = [name for name in RUNS if name != LIVE_IN_FP32]
TRAINED = [
    "untaught, fp32",
    LIVE_IN_FP32,
    "filling, fp32",
    "filled, fp32",
    "filled, bf16",
]
"""Those of our runs whose accuracy is compared."""


@dataclass
class Benchmark:
    """One run of the benchmark; ``seconds`` are those of one run of a peer."""

    peers: PeerRunner
    work: Workload
    seconds: float
    comparison: Comparison

    def peer(self, name: str) -> None:
        """Runs a peer."""
        options = ("--seconds", str(self.seconds))
        self._attempt(name, lambda: self.peers.run(name, *options))

    def ours(self, name: str, seed: int) -> None:
        """Runs this project."""
        self._attempt(name, lambda: asdict(measure(RUNS[name], self.work, seed=seed)))

    def train_all(self, name: str, seed: int) -> None:
        """Trains a peer or this project to the end."""
        if name in RUNS:
            return self.ours(name, seed)
        options = ["--epochs", self.work.epochs, "--fraction", self.work.fraction, "--seed", seed]
        return self._attempt(name, lambda: self.peers.run(name, *map(str, options)))

    def _attempt(self, name: str, measured: Callable[[], Figures]) -> None:
        try:
            figures = measured()
        except RuntimeError as error:
            self.comparison.failures[name] = str(error)
            self.comparison.add(name, None)
            log(f"{name}: failed, {error}")
        else:
            self.comparison.add(name, figures)
            log(f"{name}: {figures['images_per_second']:.0f} images/s")


def log(name: str) -> None:
    """Prints progress to standard error."""
    print(name, file=sys.stderr, flush=True)


def run_rounds(benchmark: Benchmark, rounds: int) -> None:
    """Runs all in alternation, ``rounds`` times."""
    for number in range(1, rounds + 1):
        log(f"round {number} of {rounds}")
        for name in installed():
            benchmark.peer(name)
        for place, name in enumerate(IN_ROUNDS):
            benchmark.ours(name, seed=1000 * number + place)


def repeats(benchmark: Benchmark, measured_runs: int) -> Iterator[Goal]:
    """Five students by one command, relative to five separate runs of TextBrewer, as goals."""
    work, theirs = benchmark.work, []
    options = map(str, ["--epochs", work.epochs, "--fraction", work.fraction])
    for _ in range(measured_runs if REFERENCE in installed() else 0):
        theirs.append(benchmark.peers.run(REFERENCE, *options)["wall"])
        log(f"one run of TextBrewer: {theirs[-1]:.1f} s")
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for place, precision in enumerate(precisions):
        delete_answers(work.home)
        run = OurRun(3, precision=precision)
        _, seconds = command(run, work, seed=100_000 + 1000 * place, repeats=REPEATS)
        log(f"five repeats in {precision}: {seconds:.1f} s")
        found = [REPEATS * fmean(theirs) / seconds] if theirs else []
        yield Goal(f"five repeats ({precision}), relative to five TextBrewer runs", 8, found)


def accuracies(comparison: Comparison) -> Iterator[str]:
    """A line for each peer and run: test accuracy in %, and its standard deviation."""
    yield "test accuracy in % after the same few epochs"
    for name in comparison.runs:
        found = [100 * value for value in comparison.values(name, "accuracy")]
        figure = format_mean(found, "{:.2f}") if found else comparison.failures.get(name, "-")
        yield f"{name:26s} {figure}"


def train_all(benchmark: Benchmark, seeds: int) -> None:
    """Trains all students to the end, with ``seeds`` seeds."""
    delete_answers(benchmark.work.home)
    others = [name for name in installed() if not name.startswith("teachers")]
    for number in range(seeds):
        for place, name in enumerate((*others, *TRAINED)):
            benchmark.train_all(name, seed=200_000 + 1000 * number + place)


def main() -> None:
    """Prints the tables."""
    asked = _parser().parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        benchmark = _benchmark(asked, Path(folder))
        run_rounds(benchmark, asked.rounds)
        stored = share_of_raw_bytes(benchmark.work)
        print(
            *table(benchmark.comparison),
            *inferences(benchmark.comparison, "filling, fp32"),
            sep="\n",
        )
        longer = replace(benchmark, work=replace(benchmark.work, epochs=asked.repeat_epochs))
        more = list(repeats(longer, asked.textbrewer_runs)) if asked.textbrewer_runs else []
        found = (*goals(benchmark.comparison, stored=stored), *more)
        print(*(goal.line() for goal in found), sep="\n", flush=True)
        longer_work = replace(benchmark.work, epochs=asked.accuracy_epochs)
        accuracy_comparison = replace(benchmark, work=longer_work, comparison=Comparison())
        if asked.accuracy:
            train_all(accuracy_comparison, asked.accuracy)
            print(*accuracies(accuracy_comparison.comparison), sep="\n")
    print(f"{asked.rounds} rounds; {time.monotonic() - began:.0f} s")
    if asked.json is not None:
        comparisons = {
            "rounds": asdict(benchmark.comparison),
            "learnt": asdict(accuracy_comparison.comparison),
        }
        asked.json.write_text(json.dumps(comparisons))


def _benchmark(asked: argparse.Namespace, folder: Path) -> Benchmark:
    """Prepares the benchmark: finds the fastest loaders, and tunes the teachers."""
    work = Workload(asked.root.absolute(), folder / "home", asked.fraction, asked.epochs)
    if asked.loaders is not None:
        loaders = dict.fromkeys((0, 1, 3), asked.loaders)
    else:
        rates = best_loaders(work.root, folder, range(len(os.sched_getaffinity(0)) + 1))
        log(f"images/s by DataLoader processes, with no, one and three teachers: {rates}")
        loaders = {teachers: max(each, key=each.__getitem__) for teachers, each in rates.items()}
    log(f"teachers evaluated, tuned and through the parity gate after {tune_teachers(work):.1f} s")
    return Benchmark(PeerRunner(work.root, folder, loaders), work, asked.seconds, Comparison())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one run of a peer")
    parser.add_argument("--loaders", type=int, help="DataLoader processes; default: the fastest")
    parser.add_argument("--fraction", type=float, default=0.1, help="of the samples, for our runs")
    parser.add_argument("--epochs", type=int, default=2, help="of our runs")
    parser.add_argument("--textbrewer-runs", type=int, default=1, help="of the five; 0: no repeats")
    parser.add_argument("--repeat-epochs", type=int, default=4)
    parser.add_argument("--accuracy", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--accuracy-epochs", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    parser.add_argument("--json", type=Path, help="file for all measurements")
    return parser


if __name__ == "__main__":
    main()

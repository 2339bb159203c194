"""Measures this project beside what else distils: in one run, in turns, several rounds.

    python -m benchmarks.peers ROOT [--rounds 3] [--accuracy SEEDS] [--json FILE]

``ROOT`` holds cifar-10-batches-py and the weights of ResNet-56, 44 and 32 under ``weights``: the
teachers (the first, or all three) of a ResNet-8. Everybody has the same samples, crop and flip,
batches of 128, SGD at 0.1 with momentum and a cosine, temperature 4, weights 0.1 of labels and
0.9 of answers, and all cores. The peers come from ``pip install -e '.[peers]'``; those that are
not there are left out.

Every contender has a process of its own. The peers train for some seconds, in the way that is
fastest for them of 0, 1 .. DataLoader processes. This project runs a recipe of some epochs of a
fraction of the samples by its command. Rates are of the steps after the first few, from one
step's end to the next one's. A bank is emptied before each filling; what that leaves is read by
the filled runs after it, whose students have other seeds. ``filled by one`` has one teacher. How
the teachers are run is settled before, by a run of full length that is then broken off.

Then five students by one command, from an empty bank, against five separate runs of TextBrewer,
of which ``--textbrewer-runs`` are measured: whole wall times, process starts included, with what
is stored of the teachers themselves. ``--accuracy`` trains everybody for the same few epochs.
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
    Work,
    command,
    forget_answers,
    measure,
    share_of_raw_bytes,
)
from benchmarks.throughput_comparison.peer_runs import Turns, best_loaders, installed
from benchmarks.throughput_comparison.results import (
    TO_BEAT,
    Contest,
    Figures,
    Goal,
    goals,
    inferences,
    spelt,
    table,
)
from benchmarks.throughput_comparison.teacher_tuning import settle

REPEATS = 5
LIVE_IN_FP32 = "live, fp32 teachers"
IN_ROUNDS = [name for name in RUNS if name != LIVE_IN_FP32]
LEARNING = ["untaught, fp32", LIVE_IN_FP32, "filling, fp32", "filled, fp32", "filled, bf16"]
"""Those of our runs whose accuracy is compared."""


@dataclass
class Course:
    """One run of the benchmark; ``seconds`` are those of one turn of a peer."""

    turns: Turns
    work: Work
    seconds: float
    contest: Contest

    def peer(self, name: str) -> None:
        """One turn of a peer."""
        options = ("--seconds", str(self.seconds))
        self._attempt(name, lambda: self.turns.take(name, *options))

    def ours(self, name: str, seed: int) -> None:
        """One run of this project's."""
        self._attempt(name, lambda: asdict(measure(RUNS[name], self.work, seed=seed)))

    def learn(self, name: str, seed: int) -> None:
        """Trains to the end, whoever it is."""
        if name in RUNS:
            return self.ours(name, seed)
        options = ["--epochs", self.work.epochs, "--fraction", self.work.fraction, "--seed", seed]
        return self._attempt(name, lambda: self.turns.take(name, *map(str, options)))

    def _attempt(self, name: str, measured: Callable[[], Figures]) -> None:
        try:
            figures = measured()
        except RuntimeError as error:
            self.contest.failures[name] = str(error)
            self.contest.note(name, None)
            said(f"{name}: failed, {error}")
        else:
            self.contest.note(name, figures)
            said(f"{name}: {figures['images_per_second']:.0f} images/s")


def said(words: str) -> None:
    """Tells what is going on, beside the tables."""
    print(words, file=sys.stderr, flush=True)


def race(course: Course, rounds: int) -> None:
    """Everybody takes turns, ``rounds`` times."""
    for number in range(1, rounds + 1):
        said(f"round {number} of {rounds}")
        for name in installed():
            course.peer(name)
        for place, name in enumerate(IN_ROUNDS):
            course.ours(name, seed=1000 * number + place)


def repeats(course: Course, measured_runs: int) -> Iterator[Goal]:
    """Five students by one command, and five separate runs of the peer to beat, as goals."""
    work, theirs = course.work, []
    options = map(str, ["--epochs", work.epochs, "--fraction", work.fraction])
    for _ in range(measured_runs if TO_BEAT in installed() else 0):
        theirs.append(course.turns.take(TO_BEAT, *options)["wall"])
        said(f"one run of TextBrewer: {theirs[-1]:.1f} s")
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for place, precision in enumerate(precisions):
        forget_answers(work.home)
        run = OurRun(3, precision=precision)
        _, seconds = command(run, work, seed=100_000 + 1000 * place, repeats=REPEATS)
        said(f"five repeats in {precision}: {seconds:.1f} s")
        found = [REPEATS * fmean(theirs) / seconds] if theirs else []
        yield Goal(f"five repeats ({precision}), against five TextBrewer runs", 8, found)


def accuracies(contest: Contest) -> Iterator[str]:
    """A line for each contender: test accuracy in %, and its spread over the seeds."""
    yield "test accuracy in % after the same few epochs"
    for name in contest.turns:
        found = [100 * value for value in contest.values(name, "accuracy")]
        yield f"{name:26s} {spelt(found, '{:.2f}') if found else contest.failures.get(name, '-')}"


def learn(course: Course, seeds: int) -> None:
    """Everybody who trains a student does so to the end, with ``seeds`` seeds."""
    forget_answers(course.work.home)
    others = [name for name in installed() if not name.startswith("teachers")]
    for number in range(seeds):
        for place, name in enumerate((*others, *LEARNING)):
            course.learn(name, seed=200_000 + 1000 * number + place)


def main() -> None:
    """Prints the tables."""
    asked = _arguments().parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        course = _course(asked, Path(folder))
        race(course, asked.rounds)
        stored = share_of_raw_bytes(course.work)
        print(*table(course.contest), *inferences(course.contest, "filling, fp32"), sep="\n")
        longer = replace(course, work=replace(course.work, epochs=asked.repeat_epochs))
        more = list(repeats(longer, asked.textbrewer_runs)) if asked.textbrewer_runs else []
        found = (*goals(course.contest, stored=stored), *more)
        print(*(goal.line() for goal in found), sep="\n", flush=True)
        lessons = replace(course.work, epochs=asked.accuracy_epochs)
        learning = replace(course, work=lessons, contest=Contest())
        if asked.accuracy:
            learn(learning, asked.accuracy)
            print(*accuracies(learning.contest), sep="\n")
    print(f"{asked.rounds} rounds; {time.monotonic() - began:.0f} s")
    if asked.json is not None:
        contests = {"rounds": asdict(course.contest), "learnt": asdict(learning.contest)}
        asked.json.write_text(json.dumps(contests))


def _course(asked: argparse.Namespace, folder: Path) -> Course:
    """Where all takes place, after it is settled how the teachers are run."""
    work = Work(asked.root.absolute(), folder / "home", asked.fraction, asked.epochs)
    if asked.loaders is not None:
        loaders = dict.fromkeys((0, 1, 3), asked.loaders)
    else:
        rates = best_loaders(work.root, folder, range(len(os.sched_getaffinity(0)) + 1))
        said(f"images/s by DataLoader processes, with no, one and three teachers: {rates}")
        loaders = {teachers: max(each, key=each.__getitem__) for teachers, each in rates.items()}
    said(f"teachers examined, tuned and through the gate after {settle(work):.1f} s")
    return Course(Turns(work.root, folder, loaders), work, asked.seconds, Contest())


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one turn of a peer")
    parser.add_argument("--loaders", type=int, help="DataLoader processes; none: the fastest")
    parser.add_argument("--fraction", type=float, default=0.1, help="of the samples, for our runs")
    parser.add_argument("--epochs", type=int, default=2, help="of our runs")
    parser.add_argument("--textbrewer-runs", type=int, default=1, help="of the five; 0: no repeats")
    parser.add_argument("--repeat-epochs", type=int, default=4)
    parser.add_argument("--accuracy", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--accuracy-epochs", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder for what the runs leave while they last")
    parser.add_argument("--json", type=Path, help="where to write all that was measured")
    return parser


if __name__ == "__main__":
    main()

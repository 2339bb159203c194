"""Compares the time of a study with that of its parts alone, and with separate runs.

    python -m benchmarks.study_cost --root ROOT [--trials 10] [--rounds 1] [--separate 2]

``ROOT`` holds cifar-10-batches-py and the weights of ResNet-56, 44 and 32 under ``weights``: the
teachers of a ResNet-8. A study draws temperature, term weights and learning rate, but no
architecture; its winner is not trained again. Measured are, each as a process of its own that
begins with an empty home:

- the study, by ``stillhouse search``, start, references and page included;
- one filling of the bank: the seconds by which a linear student takes longer with an empty bank
  than with a full one, in a session that has started (``study_comparison/run_part.py``);
- as many untaught students as the study has trials, in one session, as many at a time;
- separate runs by ``stillhouse run``: the recipe of a trial, with all that a run has besides
  (test part, latency, page, export, MLflow);
- separate runs of TextBrewer, with the same teachers, student, samples, epochs and batch size, and
  the data loading of ``benchmarks.peers``; the teachers compute at every step. It comes
  from ``pip install -e '.[peers]'``, and is left out where it is not installed.

The first three alternate over the rounds. Of the separate runs, ``--separate`` are measured, one
after another; what is printed for all is their mean times their number. Each has as many threads
for its student as all students of the study together (``--threads`` times ``--parallel``). All
teachers compute in fp32. ``--views all``: the bank has an answer for each epoch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from benchmarks.study_comparison.commands import Commands, textbrewer_installed
from benchmarks.study_comparison.table import Measured
from benchmarks.study_comparison.work import StudyWork


def measure_rounds(commands: Commands, measured: Measured, rounds: int) -> None:
    """Measures the study and its parts in alternation."""
    for number in range(1, rounds + 1):
        measured.studies.append(commands.study())
        _log(f"round {number}: study {measured.studies[-1].whole:.1f} s")
        measured.fillings.append(commands.filling())
        _log(f"round {number}: one filling of the bank {measured.fillings[-1]:.1f} s")
        measured.untaught.append(commands.untaught())
        _log(f"round {number}: untaught students {measured.untaught[-1]:.1f} s")


def measure_separate(
    commands: Commands, measured: Measured, count: int, loaders: int | None
) -> None:
    """Measures ``count`` separate runs of ours and of TextBrewer, in alternation."""
    has_textbrewer = textbrewer_installed()
    if count and has_textbrewer and loaders is None:
        loaders = commands.best_loaders(commands.work.cores)
        _log(f"TextBrewer is fastest with {loaders} DataLoader processes")
    for seed in range(count):
        measured.ours.append(commands.separate(seed))
        _log(f"a run of ours: {measured.ours[-1]:.1f} s")
        if has_textbrewer:
            measured.textbrewer.append(commands.textbrewer(seed, loaders or 0))
            _log(f"a run of TextBrewer: {measured.textbrewer[-1]:.1f} s")


def main() -> None:
    """Prints the table."""
    asked = _parser().parse_args()
    work = StudyWork(
        root=asked.root.absolute(),
        trials=asked.trials,
        parallel=asked.parallel,
        threads=asked.threads,
        fraction=asked.fraction,
        epochs=asked.epochs,
        views=asked.views,
    )
    measured, began = Measured(asked.trials), time.monotonic()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        commands = Commands(work, Path(folder))
        measure_rounds(commands, measured, asked.rounds)
        measure_separate(commands, measured, min(asked.separate, asked.trials), asked.loaders)
    print(*measured.lines(), sep="\n")
    print(
        f"fraction {work.fraction:g}, {work.epochs} epochs, views: {work.views}, {work.parallel} "
        f"trials at a time; {asked.rounds} rounds; {time.monotonic() - began:.0f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--parallel", type=int, default=2, help="trials at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each role of a trial")
    parser.add_argument("--fraction", type=float, default=0.1, help="of the training samples")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--views", type=_views, default="all", help="a number, or all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--separate", type=int, default=2, help="runs of each kind to measure")
    parser.add_argument("--loaders", type=int, help="DataLoader processes; default: the fastest")
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    return parser


def _views(text: str) -> int | Literal["all"]:
    return "all" if text == "all" else int(text)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

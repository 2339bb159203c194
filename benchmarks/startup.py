"""Measures start-up: from the command to the first step.

    python -m benchmarks.startup [RECIPE] [--rounds 3] [--home DIR] [--set a.b=c ...]

The recipe is run once, into DIR (default: a temporary folder). Then each round runs ``check``; the
same run with everything stored, which is read back; and the same run after the folder of the
student's stage was deleted, so that only its teachers and their answers are stored. For the
last one it prints, from the start of its process, when the stage begins (recipe read, data and
models checked, Ray started), when its rank has read its data and built its engine, and when its
first step is done. Times are those of the files that a run writes anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_MAIN = "from orchestrator.cli import main; main()"
CHECK, STORED = "check", "everything stored"
BEGINS, READY, STEP, DONE = "stage begins", "rank ready", "first step", "command over"
STUDENT = "student's stage missing"


@dataclass(frozen=True)
class Command:
    """The command line on one recipe and one home; ``settings`` are overrides."""

    recipe: Path
    home: Path
    settings: tuple[str, ...]

    def __call__(self, name: str, *more: str) -> tuple[float, dict[str, Any]]:
        """Runs one command; the time before it, and the object that it printed."""
        began = time.time()
        line = [sys.executable, "-c", _MAIN, "--home", str(self.home)]
        line += [name, str(self.recipe), *self.settings, "--json", *more]
        run = subprocess.run(
            line,
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
        )
        if run.returncode:
            raise SystemExit(f"`{name}` ended with {run.returncode}:\n{run.stderr}")
        return began, json.loads(run.stdout)


def seconds_of(command: Command, name: str) -> dict[str, float]:
    """Seconds of a command, and CPU seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, _ = command(name)
    seconds = time.time() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"": seconds, "CPU time": used}


def first_step(command: Command, stage: Path) -> dict[str, float]:
    """Seconds from the start of a run to its milestones, after deleting the folder ``stage``."""
    shutil.rmtree(stage)
    began, _ = command("run")
    over = time.time()
    with (stage / "spool" / "attempt-0001.jsonl").open() as rows:
        step = json.loads(rows.readline())["time_ms"] / 1e3
    return {
        BEGINS: (stage / "attempt.json").stat().st_mtime - began,
        READY: (stage / "spool").stat().st_mtime - began,
        STEP: step - began,
        DONE: over - began,
    }


def student_stage(command: Command) -> Path:
    """Runs the recipe, and gives the folder of the student's stage."""
    _, report = command("run")
    (short,) = (stage["digest"] for stage in report["stages"] if stage["name"] == "student")
    (folder,) = (
        folder
        for folder in (command.home / "stages").iterdir()
        if folder.is_dir() and (short.startswith(folder.name) or folder.name.startswith(short))
    )
    return folder


def measure(command: Command, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds by command and milestone, one of each round."""
    stage = student_stage(command)
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, seconds in _round(command, stage):
            for milestone, value in seconds.items():
                found.setdefault((name, milestone), []).append(value)
    return found


def _round(command: Command, stage: Path) -> Iterator[tuple[str, Mapping[str, float]]]:
    yield CHECK, seconds_of(command, "check")
    yield STORED, seconds_of(command, "run")
    yield STUDENT, first_step(command, stage)


def parse_options(description: str | None, count: str, default: int) -> argparse.Namespace:
    """The options of a benchmark that runs one recipe; ``count`` is that of how often."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("recipe", type=Path, nargs="?", default=ROOT / "recipes" / "digits.yaml")
    parser.add_argument(count, type=int, default=default)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    return parser.parse_args()


def print_medians(found: Mapping[tuple[str, str], Sequence[float]]) -> None:
    """Prints the median of the rounds, with minimum and maximum, and how busy the machine is."""
    for (name, milestone), seconds in found.items():
        label = f"{name}, {milestone}" if milestone else name
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{label:42s} {median(seconds):7.2f} s   ({spread})")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    """Prints the figures of one run."""
    options = parse_options(__doc__, "--rounds", 3)
    with tempfile.TemporaryDirectory() as work:
        home = options.home or Path(work)
        command = Command(options.recipe.absolute(), home.absolute(), tuple(options.settings))
        found = measure(command, options.rounds)
    print_medians(found)


if __name__ == "__main__":
    main()

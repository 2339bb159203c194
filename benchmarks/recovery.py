"""Measures recovery: from the kill of a process to the next step.

    python -m benchmarks.recovery [RECIPE] [--rounds 3] [--home DIR] [--set a.b=c ...]

The recipe is run once, into DIR (default: a temporary folder), so that its teachers are stored.
Then each round trains its student again, on two ranks, with answers that teachers compute. In turn
the process of its first teacher, that of rank 0 and that of rank 1 kill themselves (SIGKILL). It
prints the seconds from each kill to the end of the longest pause among the steps that follow: a
few steps may still have their answers when a teacher is killed. The student needs 100 steps.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import stillhouse
from benchmarks.startup import Command, parse_options, print_medians, student_stage
from students.fault_injection import VARIABLE

RANKS = 2
STEPS_APART = 30
"""So many steps lie between two kills; a checkpoint is committed in each epoch."""


def settings_of(recipe: Path, given: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The settings of the runs, and the name of the teacher that is killed."""
    loaded = stillhouse.load_recipe(recipe, given).recipe
    settings = (
        *given, f"student.engine.ranks={RANKS}", "ensemble.bank=none", "controls=[]",
        f"student.train.micro_batch_size={loaded.student.train.batch_size // RANKS}",
    )  # fmt: skip
    return settings, next(iter(loaded.teachers))


def kills(teacher: str) -> dict[str, dict[str, object]]:
    """What is killed, by its name in the table, in this order.

    A teacher's steps are the questions that it has answered: one of each rank in a step.
    """
    return {
        f"teacher {teacher}": {"role": f"teacher {teacher}", "step": RANKS * STEPS_APART},
        "rank 0": {"role": "student", "rank": 0, "step": 2 * STEPS_APART},
        "rank 1": {"role": "student", "rank": 1, "step": 3 * STEPS_APART},
    }


def one_round(command: Command, stage: Path, teacher: str) -> Iterator[tuple[str, float]]:
    """Trains the student of ``stage`` again; the seconds after each kill."""
    shutil.rmtree(stage)
    faults = kills(teacher)
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder, "faults.json")
        plan.write_text(json.dumps([fault | {"kind": "kill"} for fault in faults.values()]))
        os.environ[VARIABLE] = str(plan)
        command("run")
        del os.environ[VARIABLE]
        # Each role marks that its fault happens just before it does.
        marks = [plan.with_name(f"{plan.name}.{number}") for number in range(len(faults))]
        times = [mark.stat().st_mtime for mark in marks]
    steps = sorted(_step_times(stage))
    for name, (kill, following) in zip(faults, pairwise([*times, float("inf")]), strict=True):
        yield name, seconds_to_recover(kill, [time for time in steps if kill < time < following])


def seconds_to_recover(kill: float, steps: Sequence[float]) -> float:
    """From the kill to the end of the longest pause among the steps that follow it."""
    _, end = max(pairwise([kill, *steps]), key=lambda pause: pause[1] - pause[0])
    return end - kill


def _step_times(stage: Path) -> Iterator[float]:
    """When each step of each attempt ended, in seconds since 1970."""
    for file in (stage / "spool").glob("attempt-*.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if row["kind"] == "step":
                yield row["time_ms"] / 1e3


def main() -> None:
    """Prints the figures of one run."""
    options = parse_options(__doc__, "--rounds", 3)
    recipe = options.recipe.absolute()
    settings, teacher = settings_of(recipe, tuple(options.settings))
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as work:
        command = Command(recipe, (options.home or Path(work)).absolute(), settings)
        stage = student_stage(command)
        for _ in range(options.rounds):
            for name, seconds in one_round(command, stage, teacher):
                found.setdefault((name, "killed"), []).append(seconds)
    print_medians(found)


if __name__ == "__main__":
    main()

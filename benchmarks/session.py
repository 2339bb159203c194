"""Measures what a student costs beside its training, where one session trains many.

    python -m benchmarks.session [RECIPE] [--students 10] [--home DIR] [--set a.b=c ...]

One session trains the recipe's student with one seed after another. The first ones start the
processes, train the teachers and fill the bank, so they do not count: the figures are of the third
to the last. Of each it prints the seconds of its plan (data and models checked again); of its stage
without its steps, and without the validations and checkpoints between them either; and of its
evaluation on the test part.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import stillhouse
from benchmarks.startup import parse_options, print_medians
from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from students.specs import MODEL
from students.storage.step_log import read_committed

WARM_UP_STUDENTS = 2
PLAN, STEPS, TRAINING, TEST = "plan", "stage without its steps", "without training", "test part"


def seconds_of(
    recipe: Path, settings: Sequence[str], session: stillhouse.Session
) -> Iterator[tuple[str, float]]:
    """Trains one student, and gives the seconds of each of its parts."""
    began = time.monotonic()
    graph = stillhouse.plan(stillhouse.load_recipe(recipe, settings), session)
    yield PLAN, time.monotonic() - began
    began = time.monotonic()
    done = session.submit(replace(graph, tests=False)).result()
    seconds = time.monotonic() - began
    [student] = (result for result in done.results if result.stage.name == "student")
    in_steps, in_training = _training(session.store, student)
    yield STEPS, seconds - in_steps
    yield TRAINING, seconds - in_training
    began = time.monotonic()
    session.submit(graph).result()
    yield TEST, time.monotonic() - began


def _training(store: Store, student: StageResult) -> tuple[float, float]:
    """Seconds of all steps, and from the beginning of the first to the end of the last one."""
    segments = student.outcomes[MODEL].segments
    rows = list(read_committed(store.folder(student.stage.digest), segments))
    steps = [row for row in rows if row.kind == "step"]
    first = steps[0].values["step_seconds"]
    whole = (steps[-1].time_ms - steps[0].time_ms) / 1e3 + first
    return sum(row.values["step_seconds"] for row in steps), whole


def main() -> None:
    """Prints the figures of one session."""
    options = parse_options(__doc__, "--students", 10)
    cluster = stillhouse.load_recipe(options.recipe, options.settings).recipe.cluster
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as work:
        home = (options.home or Path(work)).absolute()
        with stillhouse.Session(home, cluster) as session:
            for number in range(options.students):
                settings = ("controls=[]", *options.settings, f"student.train.seed={number}")
                for part, seconds in seconds_of(options.recipe, settings, session):
                    if number >= WARM_UP_STUDENTS:
                        found.setdefault((part, ""), []).append(seconds)
    print_medians(found)


if __name__ == "__main__":
    main()

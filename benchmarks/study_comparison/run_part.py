"""A part of a study alone: ``python -m benchmarks.study_comparison.run_part``.

``filling HOME WARM_UP RECIPE`` trains three students in one session: that of ``WARM_UP`` starts the
session and the processes; that of ``RECIPE`` fills the bank; the same with another seed reads
it. It prints the seconds by which the second takes longer than the third: the start of the
teachers, their answers, and their storage. The student's own training and all that a stage
costs is in both. As the student is linear, it never keeps the teachers waiting.

``untaught HOME RECIPE COUNT PARALLEL`` trains so many students with one seed after another.

No student is evaluated on the test part, as no trial is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import stillhouse
from orchestrator.execution.graph_run import GraphResult
from orchestrator.planning.graph import Graph


def fill(home: str, warm_up: str, recipe: str) -> float:
    """The seconds that filling the bank takes.

    Raises:
        RuntimeError: the bank was not filled, or not by one student.
    """
    cluster = stillhouse.load_recipe(recipe).recipe.cluster
    with stillhouse.Session(home, cluster) as session:
        session.submit(_graph(warm_up, session, 0)).result()
        seconds, computed = list[float](), list[int]()
        for seed in (0, 1):
            began = time.monotonic()
            done = session.submit(_graph(recipe, session, seed)).result()
            seconds.append(time.monotonic() - began)
            computed.append(_computed(done))
    if not computed[0] or computed[1]:
        raise RuntimeError(f"{computed[0]} answers were computed, and {computed[1]} once more")
    return seconds[0] - seconds[1]


def train_untaught(home: str, recipe: str, count: int, parallel: int) -> None:
    """Trains ``count`` students, ``parallel`` at a time."""
    cluster = stillhouse.load_recipe(recipe).recipe.cluster
    with stillhouse.Session(home, cluster) as session, ThreadPoolExecutor(parallel) as threads:
        graphs = [_graph(recipe, session, seed) for seed in range(count)]
        session.begin(graphs[0])
        list(threads.map(lambda graph: session.submit(graph).result(), graphs))


def _graph(recipe: str, session: stillhouse.Session, seed: int) -> Graph:
    loaded = stillhouse.load_recipe(Path(recipe), [f"student.train.seed={seed}"])
    return replace(stillhouse.plan(loaded, session), tests=False)


def _computed(done: GraphResult) -> int:
    outcomes = (outcome for result in done.results for outcome in result.outcomes.values())
    return sum(count.computed for outcome in outcomes for count in outcome.answers.values())


def main(arguments: Sequence[str]) -> None:
    """Runs the part that the command line names."""
    part, home, *rest = arguments
    if part == "filling":
        warm_up, recipe = rest
        print(fill(home, warm_up, recipe))
    else:
        recipe, count, parallel = rest
        train_untaught(home, recipe, int(count), int(parallel))


if __name__ == "__main__":
    main(sys.argv[1:])

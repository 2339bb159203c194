"""Measures what a run of a graph will take: problems first, then the measurement, then its record.

Waits for another measurement in the same home (freed by its end), and as a run does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from cluster.config import ClusterConfig
from orchestrator.errors import Problem, RecipeProblems
from orchestrator.execution.session import Session
from orchestrator.execution.signals import interruptible
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import StageRole
from orchestrator.profiling.bench import Bench, scratch_home, to_be_timed
from orchestrator.profiling.graph_estimate import measured_plan
from orchestrator.profiling.measured_plan import MeasuredPlan
from orchestrator.results.teaching_report import MEASURED
from students.json_records import write_json
from students.transfer_sets.transfer_set import TransferSet

SECONDS = 2.0
"""Of steps of each stage, and of answers of each teacher."""


def measure(
    graph: Graph,
    transfer_set: TransferSet,
    store: Store,
    cluster: ClusterConfig,
    *,
    say: Callable[[str], None],
    seconds: float = SECONDS,
) -> MeasuredPlan:
    """Measures what a run of ``graph`` will take, and stores that where the run's report looks.

    What follows from an open choice is that of its first option. Each stage is run on the
    ``cluster``, for ``seconds`` of steps; ``say`` gets a line about each.

    Raises:
        RecipeProblems: a GPU that is not here.
        UserError, ClusterError: as of a run.
    """
    if without := list(_without_gpus(graph)):
        raise RecipeProblems(without)
    began, graph = time.monotonic(), store.grown(graph).assumed()
    with interruptible(), scratch_home(store) as home, Session(home, cluster) as session:
        session.keep(transfer_set)
        session.runtime(graph)
        start_seconds = time.monotonic() - began
        bench = Bench(to_be_timed(graph, store), store, session, seconds, say)
        measured = measured_plan(bench)
    measured = replace(
        measured,
        seconds=measured.seconds + (start_seconds if measured.stages else 0.0),
        measuring_seconds=time.monotonic() - began,
    )
    if measured.stages:  # else the run has been compared with what was predicted before it
        folder = store.runs / graph.run_name
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MEASURED, measured.to_json())
    return measured


def _without_gpus(graph: Graph) -> Iterator[Problem]:
    """Roles that compute on a GPU cannot be timed where there is none."""
    if torch.cuda.is_available():
        return
    asked = {
        stage.name: stage.resources for stage in graph.stages if stage.role != StageRole.CONTROL
    }
    for place, resources in asked.items():
        if resources.gpus:
            yield Problem(
                f"{place}.resources.gpus",
                f"`{place}.resources.gpus` is {resources.gpus:g}, but this machine has no GPU to "
                "measure on; measure where it runs, or set it to 0",
            )

"""Starts processes before their stages begin: to import torch takes each of them seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cluster.runtime import Runtime
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.thread_allocation import ranks_of, resolve, resources_of

_RANK = "students.training.student_rank"
_TEACHER = "teachers.serving.host"


def prewarm_ranks(runtime: Runtime, graph: Graph, store: Store, cores: int) -> None:
    """Starts the processes of the ranks that will train first; does not wait for them.

    It needs no torch, so it runs as soon as the runtime does, while the recipe is still checked.
    """
    for stage in _missing(graph, store):
        if stage.cohort and _can_begin(stage, store):
            _warm(runtime, stage, ranks_of(stage), cores, _RANK)
            return


def prewarm(
    runtime: Runtime,
    graph: Graph,
    store: Store,
    is_answered: Callable[[Stage, TeacherRef], bool],
    cores: int,
) -> None:
    """Starts the processes of the stage with the most roles; does not wait for them.

    A process that is never used takes seconds of a core from those that are waited for: so none is
    started for a stored stage, nor for a teacher all of whose answers are stored
    (``is_answered``).

    Raises:
        BankError: the bank cannot be used.
    """
    roles = [
        (
            ranks_of(stage)
            + sum(
                ref.replicas
                for ref in stage.teachers
                if not (_can_begin(stage, store) and is_answered(stage, ref))
            ),
            stage,
        )
        for stage in _missing(graph, store)
    ]
    if roles:
        count, busiest = max(roles, key=lambda pair: pair[0])
        _warm(runtime, busiest, count, cores, _RANK, _TEACHER)


def _warm(runtime: Runtime, stage: Stage, count: int, cores: int, *modules: str) -> None:
    if not stage.resources.gpus:
        threads = resolve(stage, cores)["student"]
        runtime.warm(count, resources_of(stage.resources, threads), modules)


def _missing(graph: Graph, store: Store) -> Iterator[Stage]:
    return (stage for stage in graph.stages if not store.finished(stage))


def _can_begin(stage: Stage, store: Store) -> bool:
    return all(store.outcome(output) for output in stage.references())

"""Starts processes before their stages begin: to import torch takes each of them seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cluster.runtime import Runtime
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import resolve, resources_of, roles_of
from students.storage.outcome import read_outcome

if TYPE_CHECKING:
    from orchestrator.execution.teacher_startup import TeacherStartup

_RANK = "students.training.student_rank"
_TEACHER = "teachers.serving.host"


def prewarm_ranks(runtime: Runtime, plan: Plan, store: Store, cores: int) -> None:
    """Starts the processes of the ranks that will train first; does not wait for them.

    It needs no torch, so it runs as soon as the runtime does, while the recipe is still checked.
    """
    for stage in _missing(plan, store):
        if stage.cohort and all(_stored(need, store) for need in stage.needs):
            _warm(runtime, plan, stage, stage.cohort[0].engine.ranks, cores, _RANK)
            return


def prewarm(
    runtime: Runtime, plan: Plan, store: Store, teachers: TeacherStartup, cores: int
) -> None:
    """Starts the processes of the stage with the most roles; does not wait for them.

    A process that is never used takes seconds of a core from those that are waited for: so none is
    started for a stored stage, nor for a teacher whose answers are all stored.

    Raises:
        BankError: the bank cannot be used.
    """
    roles = [
        (roles_of(stage, plan, _answered(stage, store, teachers)), stage)
        for stage in _missing(plan, store)
    ]
    if roles:
        count, busiest = max(roles, key=lambda pair: pair[0])
        _warm(runtime, plan, busiest, count, cores, _RANK, _TEACHER)


def _warm(
    runtime: Runtime, plan: Plan, stage: Stage, count: int, cores: int, *modules: str
) -> None:
    resources = plan.recipe.student.resources
    if not resources.gpus:
        threads = resolve(stage, plan, cores)["student"]
        runtime.warm(count, resources_of(resources, threads), modules)


def _missing(plan: Plan, store: Store) -> Iterator[Stage]:
    return (stage for stage in plan.stages if not _stored(stage.digest, store))


def _answered(stage: Stage, store: Store, teachers: TeacherStartup) -> frozenset[str]:
    """The stage's teachers whose answers are stored; none while one is still to be trained."""
    ready = all(_stored(need, store) for need in stage.needs)
    return teachers.readiness(stage).stored if ready else frozenset()


def _stored(digest: str, store: Store) -> bool:
    return read_outcome(store.folder(digest)) is not None

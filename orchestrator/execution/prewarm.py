"""Starts the processes of the stage that needs most of them, while the first stages prepare."""

from __future__ import annotations

from cluster.runtime import Runtime
from orchestrator.execution.role_specs import resources_of
from orchestrator.execution.stage_runner import StageRunner
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import TeacherReadiness, resolve, roles_of
from students.storage.outcome import read_outcome

_MODULES = ("students.training.student_rank", "teachers.serving.host")


def prewarm(runtime: Runtime, plan: Plan, store: Store, runner: StageRunner, cores: int) -> None:
    """Starts the processes of the stage with the most roles; does not wait for them.

    A process that is never used takes seconds of a core from those that are waited for: so none is
    started for a stored stage, nor for a teacher whose answers are all stored.

    Raises:
        BankError: the bank cannot be used.
    """
    left = [stage for stage in plan.stages if not _stored(stage.digest, store)]
    known = {stage.title: _readiness(stage, store, runner) for stage in left}
    resources = plan.recipe.student.resources
    if not left or resources.gpus:
        return
    roles = {stage.title: roles_of(stage, plan, known[stage.title].stored) for stage in left}
    busiest = max(left, key=lambda stage: roles[stage.title])
    threads = resolve(busiest, plan, cores, known[busiest.title])["student"]
    runtime.warm(roles[busiest.title], resources_of(resources, threads), _MODULES)


def _readiness(stage: Stage, store: Store, runner: StageRunner) -> TeacherReadiness:
    """What is stored of the stage's teachers; nothing while one of them is still to be trained."""
    ready = all(_stored(need, store) for need in stage.needs)
    return runner.teachers.readiness(stage) if ready else TeacherReadiness()


def _stored(digest: str, store: Store) -> bool:
    return read_outcome(store.folder(digest)) is not None

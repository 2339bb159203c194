"""Makes processes ready for the stage that needs most of them, while the first are prepared."""

from __future__ import annotations

from cluster.runtime import Runtime
from orchestrator.execution.role_specs import resources_of
from orchestrator.execution.stage_runner import StageWork
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import Prospect, resolve, roles_of
from students.storage.outcome import read_outcome

_MODULES = ("students.training.student_rank", "teachers.serving.host")


def warm(runtime: Runtime, plan: Plan, store: Store, work: StageWork, cores: int) -> None:
    """Has the processes of the busiest stage to come started; does not wait for them.

    A process that nobody will need takes seconds of a core from those that somebody waits for:
    so none for what is stored, be it a stage or all answers of a teacher.

    Raises:
        BankError: the bank cannot be used.
    """
    left = [stage for stage in plan.stages if not _stored(stage.digest, store)]
    known = {stage.title: _prospect(stage, store, work) for stage in left}
    resources = plan.recipe.student.resources
    if not left or resources.gpus:
        return
    roles = {stage.title: roles_of(stage, plan, known[stage.title].stored) for stage in left}
    busiest = max(left, key=lambda stage: roles[stage.title])
    threads = resolve(busiest, plan, cores, known[busiest.title])["student"]
    runtime.warm(roles[busiest.title], resources_of(resources, threads), _MODULES)


def _prospect(stage: Stage, store: Store, work: StageWork) -> Prospect:
    """What is known of the stage's teachers; nothing while one of them is to be trained."""
    ready = all(_stored(need, store) for need in stage.needs)
    return work.prospect(stage) if ready else Prospect()


def _stored(digest: str, store: Store) -> bool:
    return read_outcome(store.folder(digest)) is not None

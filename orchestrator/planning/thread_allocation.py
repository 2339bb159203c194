"""Resolves ``threads: auto``: divides the cores among the roles that work at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from cluster.runtime import Demand
from orchestrator.planning.plan import Plan, Stage
from students.config import Resources, Threads
from teachers.config import STREAMS_PER_RANK
from teachers.inference.inference_config import InferenceConfig


class Resolved(TypedDict):
    """Threads of each rank of the student (or of the examined model), and of each teacher; then
    how each teacher is run (``InferenceConfig.to_json``), once that is chosen; these stand in
    files of the home, so ``manners`` stays their key."""

    student: int
    teachers: dict[str, int]
    manners: NotRequired[dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class TeacherReadiness:
    """What is stored of a stage's teachers before it begins.

    ``configs`` say by name how they are run; those in ``stored`` need not be started, because all
    answers that the stage needs of them are in the bank.
    """

    configs: Mapping[str, InferenceConfig] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()


def stages_at_once(cores: int) -> int:
    """How many stages may run in parallel: the start of one hides behind the steps of another."""
    return max(2, cores)


def resolve(
    stage: Stage, plan: Plan, cores: int, configs: Mapping[str, InferenceConfig] | None = None
) -> Resolved:
    """The threads of ``stage``'s roles on a machine of ``cores`` cores.

    All roles of the stage work at the same time, and beside them at least one role of each stage
    that may run in parallel. Teachers whose answers are stored count as well: one and two threads
    train different students, which must not depend on what a bank happens to hold. A teacher
    whose config is stored keeps its threads.
    """
    configs = configs or {}
    beside = sum(
        stage.digest not in other.needs and other.digest not in stage.needs
        for other in plan.stages
        if other is not stage
    )
    at_once = roles_of(stage, plan) + min(beside, stages_at_once(cores) - 1)
    share = max(1, cores // at_once)

    def threads(asked: Threads) -> int:
        return share if asked == "auto" else asked

    if stage.cohort:
        own = stage.cohort[0].train.threads
    else:
        own = plan.recipe.teachers[stage.name.removeprefix("teachers.")].threads
    teachers = {
        name: configs[name].threads
        if name in configs
        else threads(plan.recipe.teachers[name].threads)
        for name in stage.teachers
    }
    return Resolved(student=threads(own), teachers=teachers)


def roles_of(stage: Stage, plan: Plan, stored: Collection[str] = ()) -> int:
    """How many processes a stage needs: its ranks and its teachers' replicas, without the teachers
    whose answers are all ``stored``."""
    ranks = sum(spec.engine.ranks for spec in stage.cohort) or 1
    teaching = [name for name in stage.teachers if name not in stored]
    return ranks + sum(plan.recipe.teachers[name].replicas for name in teaching)


def logical_cpus(plan: Plan, cores: int) -> int:
    """As many CPUs as the plan asks for at its busiest; they may exceed the machine's."""
    demands = sorted((_cpus(stage, plan, cores) for stage in plan.stages), reverse=True)
    return max(cores, int(sum(demands[: stages_at_once(cores)]) + 0.999))


def _cpus(stage: Stage, plan: Plan, cores: int) -> float:
    resolved, recipe = resolve(stage, plan, cores), plan.recipe
    own = recipe.models.get(stage.name, recipe.student).resources
    ranks = roles_of(stage, plan, stored=stage.teachers)
    cpus = ranks * cpus_of(own, resolved["student"])
    for teacher, threads in resolved["teachers"].items():
        config = recipe.teachers[teacher]
        cpus += config.replicas * cpus_of(config.resources, threads)
    return cpus


def resources_of(
    resources: Resources, threads: int, *, readers: int = 1, counted: int | None = None
) -> Demand:
    """What a role needs of the machine; ``readers`` is how many may stream from it at a time.

    ``counted`` are the threads that must be free, if not those it computes on, which may have been
    chosen on another machine. Roles without readers get streams too, so that the process of one
    role can serve another.
    """
    return Demand(
        cpus=cpus_of(resources, counted or threads),
        gpus=resources.gpus,
        streams=STREAMS_PER_RANK * readers,
        # Torch's own setting holds for its operators; this one for libraries below it.
        environment={"OMP_NUM_THREADS": str(threads)},
    )


def cpus_of(resources: Resources, threads: int) -> float:
    """The logical CPUs of a role: as many as its threads, if the recipe does not give them."""
    return float(threads) if resources.cpus is None else resources.cpus


def gpus(plan: Plan) -> int:
    """How many GPUs the plan asks for: all that its roles name, rounded up."""
    recipe = plan.recipe
    demand = recipe.student.resources.gpus * recipe.student.engine.ranks
    for teacher in recipe.teachers.values():
        # While it is trained it has ranks; when it teaches, replicas.
        demand += teacher.resources.gpus * max(teacher.replicas, teacher.engine.ranks)
    return int(demand + 0.999)

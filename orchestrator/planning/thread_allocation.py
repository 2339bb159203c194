"""Resolves ``threads: auto``: divides the cores among the roles that work at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from cluster.runtime import Demand
from orchestrator.planning.stage import Crowd, Stage
from students.config import Resources, Threads
from teachers.inference.inference_config import InferenceConfig


class Resolved(TypedDict):
    """Threads of each rank of the student (or of the evaluated model), and of each teacher; then
    how each teacher is run (``InferenceConfig.to_json``), once that is chosen; these stand in
    files of the home, so ``manners`` stays their key."""

    student: int
    teachers: dict[str, int]
    manners: NotRequired[dict[str, dict[str, Any]]]


def count_crowds(stages: Sequence[Stage]) -> list[Stage]:
    """The stages of a graph, each with the crowd that works while it does; its teachers with that
    of the busiest stage which asks them, so that all of these ask them on the same threads.

    Of several repeats one is counted: a stage is the same however many there are.
    """
    needed = _needed(stages)
    crowds = {stage.title: _crowd(stage, stages, needed) for stage in stages}
    busiest: dict[str, Crowd] = {}
    for stage in stages:
        for ref in stage.teachers:
            busiest[ref.stage] = max(busiest.get(ref.stage, Crowd()), crowds[stage.title], key=sum)
    return [
        replace(
            stage,
            crowd=crowds[stage.title],
            teachers=tuple(replace(ref, crowd=busiest[ref.stage]) for ref in stage.teachers),
        )
        for stage in stages
    ]


def _needed(stages: Sequence[Stage]) -> dict[str, set[str]]:
    """By digest, all stages that must be done before, near and far; ``stages`` are in order."""
    needed: dict[str, set[str]] = {}
    for stage in stages:
        needed[stage.digest] = {*stage.needs}.union(*(needed[need] for need in stage.needs))
    return needed


def _crowd(stage: Stage, stages: Sequence[Stage], needed: Mapping[str, set[str]]) -> Crowd:
    beside = sum(
        stage.digest not in needed[other.digest] and other.digest not in needed[stage.digest]
        for other in stages
        if other is not stage and (other.repeat == stage.repeat or other.role.is_shared)
    )
    return Crowd(roles_of(stage), beside)


def stages_at_once(cores: int) -> int:
    """How many stages may run in parallel: the start of one hides behind the steps of another."""
    return max(2, cores)


def resolve(
    stage: Stage, cores: int, configs: Mapping[str, InferenceConfig] | None = None
) -> Resolved:
    """The threads of ``stage``'s roles on a machine of ``cores`` cores.

    All roles of the stage work at the same time, and beside them at least one role of each stage
    that may run in parallel. Teachers whose answers are stored count as well: one and two threads
    train different students, which must not depend on what a bank happens to hold. A teacher
    whose config is stored keeps its threads.
    """
    configs = configs or {}

    def threads(asked: Threads, crowd: Crowd) -> int:
        at_once = crowd.roles + min(crowd.stages, stages_at_once(cores) - 1)
        return max(1, cores // at_once) if asked == "auto" else asked

    models = [stage.evaluates] if stage.evaluates else [spec.train for spec in stage.cohort]
    return Resolved(
        student=max(threads(model.threads, stage.crowd) for model in models),
        teachers={
            ref.name: configs[ref.name].threads
            if ref.name in configs
            else threads(ref.threads, ref.crowd)
            for ref in stage.teachers
        },
    )


def ranks_of(stage: Stage) -> int:
    """How many processes train the stage's cohort, or evaluate its model."""
    return sum(spec.engine.ranks for spec in stage.cohort) or 1


def roles_of(stage: Stage) -> int:
    """How many processes a stage needs: its ranks and its teachers' replicas."""
    return ranks_of(stage) + sum(ref.replicas for ref in stage.teachers)


def logical_cpus(stages: Iterable[Stage], cores: int) -> int:
    """As many CPUs as the stages ask for at their busiest; they may exceed the machine's."""
    demands = sorted((_cpus(stage, cores) for stage in stages), reverse=True)
    return max(cores, int(sum(demands[: stages_at_once(cores)]) + 0.999))


def _cpus(stage: Stage, cores: int) -> float:
    resolved = resolve(stage, cores)
    return ranks_of(stage) * cpus_of(stage.resources, resolved["student"]) + sum(
        ref.replicas * cpus_of(ref.resources, resolved["teachers"][ref.name])
        for ref in stage.teachers
    )


def resources_of(resources: Resources, threads: int, *, counted: int | None = None) -> Demand:
    """What a role needs of the machine.

    ``counted`` are the threads that must be free, if not those it computes on, which may have been
    chosen on another machine.
    """
    return Demand(
        cpus=cpus_of(resources, counted or threads),
        gpus=resources.gpus,
        # Torch's own setting holds for its operators; this one for libraries below it.
        environment={"OMP_NUM_THREADS": str(threads)},
    )


def cpus_of(resources: Resources, threads: int) -> float:
    """The logical CPUs of a role: as many as its threads, if the recipe does not give them."""
    return float(threads) if resources.cpus is None else resources.cpus

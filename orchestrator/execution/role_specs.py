"""Builds what the roles of a stage are started with: specs, the ensemble, and resources."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.execution.finished_network import weights_of
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage, class_maps, ensemble_seed
from orchestrator.planning.thread_allocation import Resolved
from students.config import Resources
from students.engines.group import Group
from students.fault_injection import Fault
from students.specs import Assignment
from students.transfer_sets.transfer_set import TransferSet
from teachers.ensemble.ensemble import Ensemble
from teachers.serving.host import TeacherSpec

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class RoleSpecs:
    """Builds specs and assignments from the stages of ``plan``; ``hint_shapes`` are the per-sample
    shapes of the teachers' layers, by hint term."""

    plan: Plan
    store: Store
    hint_shapes: Mapping[str, tuple[int, ...]]
    fault: Fault | None = None

    def teacher_spec(self, name: str, threads: int) -> TeacherSpec:
        """What a replica of teacher ``name`` is built from."""
        recipe = self.plan.recipe
        config = recipe.teachers[name]
        return TeacherSpec(
            name=name,
            model=config.model,
            weights=weights_of(self.plan, self.store, self.plan.stage(f"teachers.{name}")),
            transfer_set=recipe.transfer_set,
            folder=self.plan.folder,
            cache=self.store.cache,
            threads=threads,
            device=device(config.resources),
            classes=config.classes,
        )

    def assignments(self, stage: Stage, attempt: int, resolved: Resolved) -> list[Assignment]:
        """One assignment for each rank of the stage's student."""
        spec = stage.cohort[0]
        ranks = spec.engine.ranks
        port = free_port() if ranks > 1 else 0
        seconds = self.plan.recipe.timeouts.collective.total_seconds()
        fault = self.fault if self.fault and self.fault.stage == stage.title else None
        return [
            Assignment(
                spec=spec,
                transfer_set=self.plan.recipe.transfer_set,
                folder=self.plan.folder,
                cache=self.store.cache,
                stage_folder=self.store.folder(stage.digest),
                attempt=attempt,
                threads=resolved["student"],
                teachers=stage.teachers,
                device=device(self.resources(stage)),
                group=Group(rank, ranks, LOOPBACK, port, seconds),
                hint_shapes=self.hint_shapes,
                fault=fault,
            )
            for rank in range(ranks)
        ]

    def resources(self, stage: Stage) -> Resources:
        """The resources of each rank: the student's, or the teacher's that is trained."""
        recipe, (kind, _, name) = self.plan.recipe, stage.name.partition(".")
        return recipe.teachers[name].resources if kind == "teachers" else recipe.student.resources


def device(resources: Resources) -> str:
    """Where a role with these resources computes."""
    return "cuda" if resources.gpus else "cpu"


def ensemble_of(stage: Stage, plan: Plan, transfer_set: TransferSet) -> Ensemble:
    """The ensemble that teaches ``stage``; it holds labels only if its weighting rule reads them,
    and then only those that the student is given."""
    weighting = stage.ensemble.weighting
    return Ensemble(
        stage.teachers,
        transfer_set.classes,
        weighting,
        noise=stage.ensemble.effective_noise,
        seed=ensemble_seed(plan.recipe, stage.repeat),
        labels=transfer_set.student_targets if weighting.needs_labels else None,
        class_maps=class_maps(plan.recipe, stage.teachers),
    )


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port

"""From a stage of the plan to what its roles are told and where they are put."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.runtime import Demand
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan, Stage
from orchestrator.planning.thread_allocation import Resolved
from students.config import Resources
from students.engines.engine import Group
from students.fault_injection import Fault
from students.models.config import Weights
from students.objectives.catalog import taps_of
from students.specs import Assignment
from students.storage.outcome import weights_file
from teachers.client.answer_source import Kept
from teachers.client.stream import STREAMS
from teachers.config import TeacherConfig
from teachers.serving.host import TeacherSpec

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class RoleSpecs:
    """What placing needs to know beside the stage: the plan, where things are kept, and the
    shapes of the teachers' layers, by hint term."""

    plan: Plan
    store: Store
    hint_shapes: Mapping[str, tuple[int, ...]]
    fault: Fault | None = None

    def teacher_spec(
        self, name: str, stage: Stage, threads: int, kept: Kept | None = None
    ) -> TeacherSpec:
        """What a replica of teacher ``name`` is built from, for the lessons of ``stage``.

        ``kept`` says how it is run, if that is settled.
        """
        recipe = self.plan.recipe
        config = recipe.teachers[name]
        taps = taps_of(stage.cohort[0].objective) if stage.cohort else {}
        return TeacherSpec(
            name=name,
            model=config.model,
            weights=self._weights(name, config),
            transfer_set=recipe.transfer_set,
            folder=self.plan.folder,
            cache=self.store.cache,
            taps=taps.get(name, ()),
            threads=threads,
            device=device(config.resources),
            inference=None if kept is None else kept.inference,
            shelf=None if kept is None else kept.shelf,
            top_k=stage.ensemble.top_k,
            classes=config.classes,
        )

    def _weights(self, name: str, config: TeacherConfig) -> Weights:
        if config.weights is not None:
            return config.weights
        trained = self.plan.stage(f"teachers.{name}")
        return Weights(path=str(weights_file(self.store.folder(trained.digest))))

    def assignments(self, stage: Stage, attempt: int, resolved: Resolved) -> list[Assignment]:
        """One assignment for each rank of the stage's student."""
        spec = stage.cohort[0]
        ranks = spec.engine.ranks
        port = free_port() if ranks > 1 else 0
        seconds = self.plan.recipe.timeouts.collective.total_seconds()
        strikes = self.fault if self.fault and self.fault.stage == stage.title else None
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
                fault=strikes,
            )
            for rank in range(ranks)
        ]

    def resources(self, stage: Stage) -> Resources:
        """What each rank of the stage occupies: the student's, or the teacher's in training."""
        recipe, (kind, _, name) = self.plan.recipe, stage.name.partition(".")
        return recipe.teachers[name].resources if kind == "teachers" else recipe.student.resources


def device(resources: Resources) -> str:
    """Where a role with these resources computes."""
    return "cuda" if resources.gpus else "cpu"


def resources_of(
    resources: Resources, threads: int, *, readers: int = 1, counted: int | None = None
) -> Demand:
    """What a role asks of the machine; ``readers`` is how many may read from it at once.

    ``counted`` are the threads for which there must be room, where these are not those that it
    computes on, which may have been chosen on another machine.

    Roles without a reader are told so too: processes made ready for one role serve another.
    """
    return Demand(
        cpus=float(counted or threads) if resources.cpus is None else resources.cpus,
        gpus=resources.gpus,
        streams=STREAMS * readers,
        # Torch's own setting holds for its operators; this one for libraries below it.
        environment={"OMP_NUM_THREADS": str(threads)},
    )


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port

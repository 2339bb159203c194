"""A stage as a value: what it makes, by whom it is taught, and all that it needs for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, NamedTuple

from cluster.config import Timeouts
from orchestrator.planning import fingerprint
from orchestrator.planning.digest import digest_of
from students.config import Resources, Threads
from students.models.config import Model, Weights
from students.specs import MODEL, StageOutput, StudentSpec, anchor_epoch
from students.transfer_sets.planned_data import PlannedData
from teachers.config import EnsembleConfig


class StageRole(StrEnum):
    """What the models that a stage makes are for."""

    TEACHER = "teacher"
    FIRST_STAGE = "first_stage"
    ASSISTANT = "assistant"
    CANDIDATE = "candidate"
    GENERATION = "generation"
    ROUTE = "route"
    STUDENT = "student"
    CONTROL = "control"

    @property
    def is_shared(self) -> bool:
        """Whether all repeats share the model: all but the students that are compared, and what
        these start from, do."""
        per_repeat = (StageRole.FIRST_STAGE, StageRole.ROUTE, StageRole.STUDENT, StageRole.CONTROL)
        return self not in per_repeat


class Crowd(NamedTuple):
    """What works at the same time: the ``roles`` of a stage, and ``stages`` of its graph that may
    run beside it."""

    roles: int = 1
    stages: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """A finished model.

    ``path`` is its place in the recipe. ``weights`` are a file, or what the stage leaves that
    trained it; ``stage`` is the digest of that stage, or of the one that evaluated the file.
    ``classes`` are those that its outputs stand for, if not all in order.
    """

    path: str
    stage: str
    model: Model
    weights: Weights | StageOutput
    classes: tuple[int, ...] | None = None

    @property
    def output(self) -> StageOutput:
        """Where its stage has stored what is known of it."""
        return self.weights if isinstance(self.weights, StageOutput) else StageOutput(self.stage)


@dataclass(frozen=True, kw_only=True)
class TeacherRef(ModelRef):
    """A finished model as a teacher: ``name`` is how terms and answers name it.

    ``seen_training``: its weights were trained elsewhere, on the training samples too. ``crowd`` is
    that of the busiest stage which asks it.
    """

    name: str
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gate: Literal["enforce", "warn"] = "enforce"
    threads: Threads = "auto"
    replicas: int = 1
    resources: Resources = field(default_factory=Resources)
    seen_training: bool = False
    crowd: Crowd = field(default_factory=Crowd)

    @property
    def title(self) -> str:
        """Its name, and after which epoch it is an anchor."""
        output = self.output
        return f"{self.name} after epoch {output.epochs}" if output.is_anchor else self.name


@dataclass(frozen=True)
class Stage:
    """One stage: it trains its ``cohort``, or evaluates the model ``evaluates`` of a file.

    ``name`` is where the recipe names it; ``repeat`` counts the seeds of ``--repeat``. ``bond``:
    how the students of the cohort are trained together; one alone is ``single``. ``resources`` are
    those of each rank, or of the evaluation. ``ensemble_seed`` is that of random weights and of
    noise. ``hint_shapes`` are the per-sample shapes of the teachers' layers that hint terms look
    at, by ``HintLayer.name``, once the deep check has found them. ``extras`` name what it leaves
    beside its models. Among its ``crowd`` ``threads: auto`` divides the cores.
    """

    name: str
    role: StageRole
    data: PlannedData
    cohort: tuple[StudentSpec, ...] = ()
    bond: Literal["single"] = "single"
    evaluates: TeacherRef | None = None
    teachers: tuple[TeacherRef, ...] = ()
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    ensemble_seed: int = 0
    resources: Resources = field(default_factory=Resources)
    timeouts: Timeouts = field(default_factory=Timeouts)
    hint_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    extras: tuple[str, ...] = ()
    crowd: Crowd = field(default_factory=Crowd)
    repeat: int = 0

    @cached_property
    def fingerprint(self) -> Mapping[str, Any]:
        """All that the stage's result depends on, as plain data.

        Raises:
            OSError: a file of weights or of code is missing.
        """
        return fingerprint.fingerprint_of(self)

    @cached_property
    def digest(self) -> str:
        """The name under which the stage's outcome is stored."""
        return digest_of(self.fingerprint)

    @property
    def title(self) -> str:
        """The name, with the repeat's number from the second one on."""
        return self.name if self.repeat == 0 else f"{self.name}#{self.repeat + 1}"

    @property
    def models(self) -> dict[str, ModelRef]:
        """What it trains, or evaluates, by name."""
        if self.evaluates is not None:
            return {MODEL: replace(self.evaluates, stage=self.digest)}
        return {
            spec.name: ModelRef(
                path=spec.path,
                stage=self.digest,
                model=spec.model,
                weights=StageOutput(self.digest, spec.name),
                classes=spec.samples.classes,
            )
            for spec in self.cohort
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it leaves: its models, then its extra outputs."""
        return (*self.models, *self.extras)

    def leaving(self, outputs: Iterable[StageOutput]) -> Stage:
        """The stage with those of ``outputs`` as extras that are its own, and not its models."""
        names = {output.name for output in outputs if output.stage == self.digest}
        return replace(self, extras=tuple(sorted(names - self.models.keys(), key=anchor_epoch)))

    def references(self) -> Iterator[StageOutput]:
        """What it takes of other stages; of teachers whose weights are a file, their evaluation."""
        for ref in self.teachers:
            yield ref.output
        for spec in self.cohort:
            if isinstance(spec.weights, StageOutput):
                yield spec.weights

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The digests of the stages that must be done before."""
        return tuple(dict.fromkeys(output.stage for output in self.references()))


def class_maps(teachers: Iterable[TeacherRef]) -> dict[str, tuple[int, ...]]:
    """Which classes the outputs of each teacher stand for, by name; without those that cover all
    classes in order."""
    return {ref.name: ref.classes for ref in teachers if ref.classes is not None}

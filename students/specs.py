"""The student to be trained, its samples, and what one of its ranks is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from students.config import EngineConfig, TrainConfig
from students.engines.group import Group
from students.models.config import Model, Weights
from students.objectives.teacher_gate import Gating
from students.objectives.term import Term
from students.transfer_sets.config import Augment
from students.transfer_sets.planned_data import PlannedData


@dataclass(frozen=True)
class Samples:
    """The samples of a training, and their augmentation.

    A ``student`` gets the fraction, labels and classes that the transfer set's section names; a
    ``teacher`` its own ``fraction`` of all training samples, with all labels; a specialist only
    those of the ``classes`` that its outputs stand for.
    """

    audience: Literal["student", "teacher"]
    augment: Augment
    fraction: float = 1.0
    classes: tuple[int, ...] | None = None


MODEL = "model"
"""What a student is called that is alone in its stage."""
_ANCHOR = "anchor."


@dataclass(frozen=True)
class StageOutput:
    """Weights that a stage leaves: ``stage`` is its digest; ``name`` is that of a student of its
    cohort, or of an extra output."""

    stage: str
    name: str = MODEL

    @property
    def is_anchor(self) -> bool:
        """Whether it is a model as it was at the end of an earlier epoch of its training."""
        return self.name.startswith(_ANCHOR)

    @property
    def epochs(self) -> int:
        """Of an anchor, after how many."""
        return anchor_epoch(self.name)

    @classmethod
    def anchor(cls, stage: str, epoch: int) -> StageOutput:
        """What the one model of ``stage`` was after so many epochs."""
        return cls(stage, f"{_ANCHOR}{epoch}")


def anchor_epoch(name: str) -> int:
    """After how many epochs the anchor of that name is stored."""
    return int(name.removeprefix(_ANCHOR))


@dataclass(frozen=True)
class StudentSpec:
    """A model to be trained: one student of a cohort, as far as the result depends on it.

    ``temperature`` and ``mean`` are the ensemble's; ``path`` is its place in the recipe. With a
    ``gate`` it weights its teachers itself. ``tracks_weights``: the teachers' weights differ from
    sample to sample, so their means are logged after each epoch. ``frozen`` are layers by name that
    keep the weights it starts from. ``name`` tells it from its peers.
    """

    path: str
    model: Model
    weights: Weights | StageOutput | None
    objective: Mapping[str, Term]
    train: TrainConfig
    engine: EngineConfig
    seed: int
    samples: Samples
    temperature: float
    mean: Literal["arithmetic", "geometric"]
    gate: Gating | None = None
    tracks_weights: bool = False
    frozen: tuple[str, ...] = ()
    name: str = MODEL


@dataclass(frozen=True)
class Assignment:
    """What one rank is started with: the student, its samples, its folders, its place in a group.

    ``teachers`` are the names of its teachers, in the order in which knowledge holds them;
    ``hint_shapes`` are the per-sample shapes of the teachers' layers that hint terms refer
    to; ``stage_folder`` is where this stage is trained; ``extras`` name what it leaves there beside
    its outcome, by the number of epochs after which it does.
    """

    spec: StudentSpec
    data: PlannedData
    stage_folder: Path
    attempt: int
    threads: int
    teachers: tuple[str, ...] = ()
    device: str = "cpu"
    group: Group = field(default_factory=Group)
    hint_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    extras: Mapping[int, str] = field(default_factory=dict)

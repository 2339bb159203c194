"""What a student's rank is told: which student, from which samples, where its work is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from students.config import EngineConfig, TrainConfig
from students.engines.group import Group
from students.fault_injection import Fault
from students.models.config import Model, Weights
from students.objectives.layer_refs import Gating
from students.objectives.term import Term
from students.transfer_sets.config import Augment, TransferSetConfig


@dataclass(frozen=True)
class Samples:
    """Which samples are learnt from, under which views.

    A ``student`` is given the fraction, labels and classes that the transfer set says; a
    ``teacher`` its own ``fraction`` of all training samples, with all labels; a specialist only
    of the ``classes`` that its outputs stand for.
    """

    audience: Literal["student", "teacher"]
    augment: Augment
    fraction: float = 1.0
    classes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class StudentSpec:
    """One student of a cohort, as far as the result depends on it.

    ``temperature`` and ``mean`` are the ensemble's; ``path`` is its place in the recipe. With a
    ``gate`` it weighs its teachers itself. ``listens`` says whether the teachers' weights differ
    from sample to sample, so that it tells to whom it listened.
    """

    path: str
    model: Model
    weights: Weights | None
    objective: Mapping[str, Term]
    train: TrainConfig
    engine: EngineConfig
    seed: int
    samples: Samples
    temperature: float
    mean: Literal["arithmetic", "geometric"]
    gate: Gating | None = None
    tracks_weights: bool = False


@dataclass(frozen=True)
class Assignment:
    """A pupil, and where and with what this rank works on it.

    ``teachers`` are the names of its teachers, in the order in which knowledge holds them;
    ``hint_shapes`` are the per-sample shapes of the teachers' layers that hint terms refer
    to; ``folder`` is the recipe's, ``cache`` the transfer set's, ``stage_folder`` this stage's.
    """

    spec: StudentSpec
    transfer_set: TransferSetConfig
    folder: Path
    cache: Path
    stage_folder: Path
    attempt: int
    threads: int
    teachers: tuple[str, ...] = ()
    device: str = "cpu"
    group: Group = field(default_factory=Group)
    hint_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    fault: Fault | None = None

"""Layers of the teachers and of the student, as terms and the gating network name them."""

from __future__ import annotations

from dataclasses import dataclass

from students.knowledge import Knowledge, Reduction, Tap
from students.lazy_imports import Tensor


@dataclass(frozen=True)
class HintLayer:
    """A teacher's layer, and what is kept of it."""

    teacher: str
    layer: str
    reduction: Reduction

    @property
    def tap(self) -> Tap:
        """The tap that the teacher returns."""
        return Tap(self.layer, self.reduction)

    @property
    def name(self) -> str:
        """Its name among all teachers' layers: ``deep/layer3:pool``."""
        return f"{self.teacher}/{self.tap.name}"


@dataclass(frozen=True)
class Guided:
    """A student's layer that a term reads: through an adapter that brings it to the shape of
    ``hint``, or, without one, as one vector per sample. ``place`` is where the recipe names it,
    within the term."""

    layer: str
    hint: HintLayer | None
    place: str = "guided"


@dataclass(frozen=True)
class LayerPair:
    """A layer of each side that a term compares: the learner's ``output``, and ``hint`` of the
    teacher that is the ``position``-th of the ensemble."""

    output: str
    hint: HintLayer
    position: int

    def of_teacher(self, knowledge: Knowledge) -> Tensor:
        """The teacher's layer [B, ...], through which no gradient runs; of samples that the
        teacher did not answer it may hold anything."""
        return knowledge.taps[self.hint.teacher][self.hint.tap.name].detach()

    def present(self, knowledge: Knowledge) -> Tensor:
        """Which samples [B] the teacher answered."""
        return knowledge.present[self.position]


@dataclass(frozen=True)
class Gating:
    """How a student weights its teachers itself: by its own ``layer``, into which the gating
    network's gradient runs unless ``detached``; ``penalty`` times the sum of the network's squared
    parameters is added to the loss; it learns for ``learns_for`` epochs, none: to the end."""

    layer: str
    detached: bool
    penalty: float
    learns_for: int | None

    def frozen_in(self, epoch: int) -> bool:
        """Whether the gating network no longer learns in ``epoch``, the first of which is 0."""
        return self.learns_for is not None and epoch >= self.learns_for

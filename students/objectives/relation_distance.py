"""The relation term of distances: distances between samples, in units of their mean distance.

B batch, F features.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Float, Tensor, functional, torch
from students.objectives.geometry import distances, mean_distance
from students.objectives.loss_precision import at_least_single
from students.objectives.relation import RelationTerm
from students.objectives.term import TermInputs


def relation_distance_loss(
    student: Float[Tensor, "batch student_features"],
    teacher: Float[Tensor, "batch teacher_features"],
) -> Float[Tensor, ""]:
    """Huber (delta 1) of the two sides' relative distances, summed over ordered pairs, over B^2.

    psi(i, j) = ||x_i - x_j|| / mu with mu the mean over the pairs of two different samples, each
    side its own (released code leaves pairs that are 0 apart out of mu, which differs only where
    rows are equal). At least 0, and 0 where one side is the other moved, turned and scaled. The
    mean is over all B^2 entries, the diagonal among them, as in the released code: times B/(B-1)
    it is the mean over distinct pairs (golden case: 0.0707144 against 0.0942858). Where all rows
    of a side are equal its distances are 0. Fewer than two samples have no relation: loss 0.
    Source: Park, Kim, Lu & Cho (2019), equations 4 to 6.
    """
    relative = _relative(at_least_single(student))
    count = relative.shape[0]
    total = functional.huber_loss(relative, _relative(at_least_single(teacher)), reduction="sum")
    return total / max(count**2, 1)


def _relative(vectors: Float[Tensor, "batch features"]) -> Float[Tensor, "batch batch"]:
    apart = distances(vectors)
    mu = mean_distance(apart)
    return apart / torch.where(mu > 0, mu, 1.0)


class RelationDistance(RelationTerm):
    """Distances between samples, in units of their mean (RKD-D; Park et al., 2019)."""

    min_samples: ClassVar[int] = 2
    kind: Literal["relation_distance"] = "relation_distance"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``relation_distance_loss`` of the samples that count."""
        return relation_distance_loss(*self.compared(inputs))

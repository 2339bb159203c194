"""The relation term of angles: angles at a sample between two others.

B batch, F features, V vertices of one part.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Float, Tensor, functional, torch
from students.objectives.geometry import directions, distances, mean_distance
from students.objectives.loss_precision import at_least_single
from students.objectives.relation import RelationTerm
from students.objectives.term import TermInputs

MOST_ELEMENTS = 2**22
"""Of the largest tensor of one part (16 MiB in float32): larger batches are computed in parts."""

SAME = 1e-4
"""Samples nearer than this, in units of their mean distance, are one point: between the two
passes of one sample lies rounding alone, whose direction means nothing and whose gradient is
the reciprocal of its length."""


def relation_angle_loss(
    student: Float[Tensor, "batch student_features"],
    teacher: Float[Tensor, "batch teacher_features"],
) -> Float[Tensor, ""]:
    """Huber (delta 1) of the two sides' cosines, summed over ordered triples, over B^3.

    cos(i; j, k) = <e_ij, e_ik> at the vertex i, with e_ij the direction from x_i to x_j. At least
    0, and 0 where one side is the other moved, turned and scaled. The mean is over all B^3
    entries as in the released code; B^2/((B-1)(B-2)) times it is the mean over distinct triples,
    unless rows are equal (golden case: 0.0731571 against 0.1950857). Between equal rows there is
    no direction: their cosines are 0. With fewer than three samples all agrees: loss 0.
    Time grows as B^3 F; memory is bounded, since large batches come in parts of some vertices
    each, which are computed again on the way back.
    Source: Park, Kim, Lu & Cho (2019), equations 7 and 8.
    """
    pair = at_least_single(student), at_least_single(teacher)
    count = student.shape[0]
    widest = max(count, student.shape[1], teacher.shape[1])
    part = max(MOST_ELEMENTS // max(count * widest, 1), 1)
    if part >= count:
        return _part(*pair, slice(None)) / max(count**3, 1)
    checkpoint = torch.utils.checkpoint.checkpoint
    parts = [
        checkpoint(
            _part, *pair, slice(start, start + part), use_reentrant=False, preserve_rng_state=False
        )
        for start in range(0, count, part)
    ]
    return torch.stack(parts).sum() / count**3


def _part(student: Tensor, teacher: Tensor, vertices: slice) -> Tensor:
    """The sum over the triples with these vertices."""
    return functional.huber_loss(
        _cosines(student, vertices), _cosines(teacher, vertices), reduction="sum"
    )


def _cosines(
    vectors: Float[Tensor, "batch features"], vertices: slice
) -> Float[Tensor, "vertices batch batch"]:
    same = SAME * mean_distance(distances(vectors.detach()))
    away_VBF = vectors.unsqueeze(0) - vectors[vertices].unsqueeze(1)
    directions_VBF = directions(away_VBF, dim=2, shortest=same)
    return directions_VBF @ directions_VBF.transpose(1, 2)


class RelationAngle(RelationTerm):
    """Angles between three samples (RKD-A; Park et al., 2019)."""

    min_samples: ClassVar[int] = 3
    kind: Literal["relation_angle"] = "relation_angle"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``relation_angle_loss`` of the samples that count."""
        return relation_angle_loss(*self.compared(inputs))

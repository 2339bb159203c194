"""The triplet term: the teachers vote on which of two samples is nearer to a third.

B batch, K teachers, T triplets, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.compared_features import LayerSides
from students.objectives.geometry import lengths
from students.objectives.loss_precision import at_least_single
from students.objectives.triplets import triplets


def votes(
    embeddings: Float[Tensor, "batch features"],
    present: Bool[Tensor, " batch"],
    triplets_T3: Int[Tensor, "triplets 3"],
) -> Int[Tensor, " triplets"]:
    """One teacher's vote on each triplet (anchor, first, second): 1 where the first of the two
    is nearer to the anchor, -1 where the second is, 0 where both are as near or it did not
    answer one of the three, whatever its embedding then holds."""
    vectors = at_least_single(embeddings)
    anchor, first, second = triplets_T3.unbind(dim=1)
    to_first = (vectors[anchor] - vectors[first]).square().sum(dim=1)
    to_second = (vectors[anchor] - vectors[second]).square().sum(dim=1)
    vote = (to_second > to_first).long() - (to_second < to_first).long()
    return torch.where(present[triplets_T3].all(dim=1), vote, 0)


def triplet_order_loss(
    student: Float[Tensor, "batch features"],
    majority: Int[Tensor, " triplets"],
    triplets_T3: Int[Tensor, "triplets 3"],
    *,
    margin: float,
) -> Float[Tensor, ""]:
    """max(0, d(near) - d(far) + margin), mean over the triplets on which there is a majority.

    d are Euclidean distances from the anchor; ``majority`` is above 0 where the first of the two
    others is to be the nearer one, below 0 where the second is, and 0 where the votes are even:
    that triplet is dropped. 0 where all are dropped, and where the student keeps every order
    with the margin. Unlike relations by distance it depends on the scale of the student's layer.
    Source: our reading of You, Xu, Xu & Tao (2017), of which we know the idea (relative
    dissimilarity of triplets, voted on by the teachers) but neither the formula nor constants;
    the margin of 0.2 is that of AMTML-KD's released code.
    """
    vectors = at_least_single(student)
    anchor, first, second = triplets_T3.unbind(dim=1)
    to_first = lengths(vectors[anchor] - vectors[first])
    to_second = lengths(vectors[anchor] - vectors[second])
    excess = torch.sign(majority) * (to_first - to_second) + margin
    kept = majority != 0
    return torch.where(kept, excess.relu(), 0.0).sum() / kept.sum().clamp(min=1)


@dataclass(frozen=True)
class TripletOrderTerm:
    """Asks the teachers of ``layers`` for their taps; each has one vote, whatever its weight."""

    layers: Sequence[LayerSides]
    output: str
    margin: float
    most: int

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``triplet_order_loss`` of the student's layer, on the triplets drawn for this batch."""
        student = outputs[self.output]
        drawn = torch.from_numpy(triplets(batch.sample_ids, batch.view, self.most))
        drawn = drawn.to(student.device)
        cast = [
            votes(each.of_teacher(knowledge), knowledge.present[each.position], drawn)
            for each in self.layers
        ]
        majority = torch.stack(cast).sum(dim=0)
        return triplet_order_loss(student, majority, drawn, margin=self.margin)

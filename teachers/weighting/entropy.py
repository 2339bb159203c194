"""The rules ``max_entropy`` and ``min_entropy``: for each sample who is least sure, or surest.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from students.objectives.loss_precision import at_least_single
from teachers.weighting.rule import Rule, Said, Weighed
from teachers.weighting.sharing import shared_equally


def entropies(
    logits_KBC: Float[Tensor, "teachers batch classes"], known_KC: Bool[Tensor, "teachers classes"]
) -> Float[Tensor, "teachers batch"]:
    """-sum_c q log q of q = softmax(z) at temperature 1, over the classes that a teacher knows,
    in nats: 0 for a teacher that is sure, log C at most."""
    known_K1C = known_KC.unsqueeze(1)
    scores_KBC = at_least_single(logits_KBC).masked_fill(~known_K1C, -torch.inf)
    log_probabilities_KBC = torch.log_softmax(scores_KBC, dim=-1)
    told_KBC = torch.where(known_K1C, log_probabilities_KBC, 0.0)
    return -(told_KBC.exp() * told_KBC).sum(dim=-1)


def most_of(
    scores_KB: Float[Tensor, "teachers batch"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """All of a sample's weight for the teacher present with the highest score; those that tie
    share it equally, since an order of teachers means nothing."""
    there_KB = torch.where(present_KB, scores_KB, -torch.inf)
    highest_1B = there_KB.max(dim=0, keepdim=True).values
    return shared_equally(present_KB & (there_KB == highest_1B))


@dataclass(frozen=True)
class EntropyRule(Rule):
    """The teacher of the highest entropy (``least_sure``), or of the lowest; a known way of
    combining, of which no one paper is the source."""

    least_sure: bool

    def __call__(self, said: Said) -> Weighed:
        """All of a sample's weight for one teacher."""
        found = entropies(said.logits, said.known)
        return Weighed(most_of(found if self.least_sure else -found, said.present))

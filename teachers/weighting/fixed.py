"""The rule ``fixed``: every teacher counts as the recipe says.

B batch, K teachers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from teachers.weighting.rule import Rule, Said, Weighed


def fixed_weights(
    given_K: Float[Tensor, " teachers"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """``given_K``, which sum to one, divided by what of them is present for a sample.

    Where all are present they are ``given_K`` to the bit; where nobody with a weight above
    zero is, they are 0.
    """
    given_KB = given_K.unsqueeze(1).expand(present_KB.shape)
    heard_KB = torch.where(present_KB, given_KB, 0.0)
    share_B = heard_KB.sum(dim=0) / given_KB.sum(dim=0)
    return heard_KB / torch.where(share_B > 0, share_B, 1.0)


@dataclass(frozen=True)
class FixedRule(Rule):
    """``weights`` [K] in the order of the teachers, summing to one."""

    weights: tuple[float, ...]

    def __call__(self, said: Said) -> Weighed:
        """The given weights, for each sample."""
        return Weighed(fixed_weights(torch.tensor(self.weights), said.present))

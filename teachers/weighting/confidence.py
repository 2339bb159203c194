"""The rule ``confidence``: by how well each teacher names the label.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from students.objectives.loss_precision import at_least_single
from teachers.weighting.rule import Rule, Said, Weighed
from teachers.weighting.sharing import shared_equally


def confidence_weights(
    logits_KBC: Float[Tensor, "teachers batch classes"],
    labels_B: Int[Tensor, " batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> Float[Tensor, "teachers batch"]:
    """The softmax over teachers of -CE_k, which is p_k(label) / sum_j p_j(label), at temperature 1.

    A teacher that does not know the label's class has none of the weight. Samples without a
    label (-1), or whose label nobody knows, count all teachers present the same.
    """
    scores_KBC = at_least_single(logits_KBC).masked_fill(~known_KC.unsqueeze(1), -torch.inf)
    log_probabilities_KBC = torch.log_softmax(scores_KBC, dim=-1)
    places_KB1 = labels_B.clamp(min=0).expand(present_KB.shape).unsqueeze(2)
    named_KB = log_probabilities_KBC.gather(2, places_KB1).squeeze(2)
    named_KB = torch.where(present_KB, named_KB, -torch.inf)
    told_B = (labels_B >= 0) & torch.isfinite(named_KB).any(dim=0)
    # Where nothing is told zeros are softened instead: -inf alone would give NaN.
    weights_KB = torch.softmax(torch.where(told_B, named_KB, 0.0), dim=0)
    return torch.where(told_B, weights_KB, shared_equally(present_KB).to(weights_KB.dtype))


@dataclass(frozen=True)
class ConfidenceRule(Rule):
    """More weight for the teachers that give the label more probability.

    Source: Zhang, Chen & Wang (2022), CA-MKD, whose weights are (1 - softmax(CE)) / (K - 1) and
    not these; ours is the recipe's plain form.
    """

    needs_labels: ClassVar[bool] = True

    def __call__(self, said: Said) -> Weighed:
        """Weights by cross-entropy."""
        weights = confidence_weights(said.logits, said.given_labels, said.known, said.present)
        return Weighed(weights)

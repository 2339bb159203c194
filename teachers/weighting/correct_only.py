"""The rule ``correct_only``: the teachers that name the label; the label itself where none does.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from teachers.weighting.rule import Rule, Said, Weighed
from teachers.weighting.sharing import shared_equally


def correct_only_weights(
    logits_KBC: Float[Tensor, "teachers batch classes"],
    labels_B: Int[Tensor, " batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> tuple[Float[Tensor, "teachers batch"], Int[Tensor, " batch"]]:
    """1/n for each of the n teachers present whose largest logit is the label's; and, for the
    samples with a label that no teacher names, the label [B], -1 for all others.

    Where the label stands in all weights are 0. Samples without a label (-1) count all teachers
    present the same.
    """
    scores_KBC = logits_KBC.masked_fill(~known_KC.unsqueeze(1), -torch.inf)
    labelled_B = labels_B >= 0
    right_KB = present_KB & (scores_KBC.argmax(dim=2) == labels_B)
    weights_KB = shared_equally(torch.where(labelled_B, right_KB, present_KB))
    instead_B = torch.where(labelled_B & ~right_KB.any(dim=0), labels_B, -1)
    return weights_KB, instead_B


@dataclass(frozen=True)
class CorrectOnlyRule(Rule):
    """Teachers are heard where they are right.

    Source: Meng et al. (2019), conditional teacher-student learning, for one teacher; over K of
    them it is ours.
    """

    needs_labels: ClassVar[bool] = True

    def __call__(self, said: Said) -> Weighed:
        """Equal weights among those that are right."""
        labels = said.given_labels
        return Weighed(*correct_only_weights(said.logits, labels, said.known, said.present))

"""The rule ``correct_only``: teachers that predict the label; the label itself where none does.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, Int, Tensor, torch
from teachers.weighting.rule import RuleContext, WeightingRule, shared_equally


def correct_only_weights(
    logits_KBC: Float[Tensor, "teachers batch classes"],
    labels_B: Int[Tensor, " batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> tuple[Float[Tensor, "teachers batch"], Int[Tensor, " batch"]]:
    """1/n for each of the n teachers present whose largest logit is the label's; and, for labelled
    samples that no teacher predicts correctly, the label [B], -1 for all others.

    Where the label is the fallback all weights are 0. For samples without a label (-1) all
    teachers present count the same.
    """
    scores_KBC = logits_KBC.masked_fill(~known_KC.unsqueeze(1), -torch.inf)
    labelled_B = labels_B >= 0
    right_KB = present_KB & (scores_KBC.argmax(dim=2) == labels_B)
    weights_KB = shared_equally(torch.where(labelled_B, right_KB, present_KB))
    fallback_B = torch.where(labelled_B & ~right_KB.any(dim=0), labels_B, -1)
    return weights_KB, fallback_B


class CorrectOnly(WeightingRule):
    """The teachers that predict the label, all the same; the label itself where none does.

    Source: Meng et al. (2019), conditional teacher-student learning, for one teacher; over K of
    them it is ours.
    """

    needs_labels: ClassVar[bool] = True
    has_fallback: ClassVar[bool] = True
    training_only: ClassVar[str] = "needs labels"
    kind: Literal["correct_only"] = "correct_only"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """Equal weights among the correct teachers, and labels where there is none."""
        weights, fallback = correct_only_weights(
            knowledge.logits, context.given_labels, knowledge.known, knowledge.present
        )
        return replace(knowledge, weights=weights, fallback_labels=fallback)

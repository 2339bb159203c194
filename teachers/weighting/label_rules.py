"""The rules ``confidence`` and ``correct_only``: teachers weighted by what they say of the label.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from students.knowledge import Knowledge
from students.lazy_imports import torch
from students.objectives.softening import at_least_single
from teachers.weighting.rule import RuleContext, WeightingRule, shared_equally


class Confidence(WeightingRule):
    """By the probability that each teacher gives the label.

    Source: Zhang, Chen & Wang (2022), CA-MKD, whose weights are (1 - softmax(CE)) / (K - 1) and
    not these; ours is the recipe's plain form.
    """

    needs_labels: ClassVar[bool] = True
    reads_answers: ClassVar[bool] = True
    training_only: ClassVar[str] = "needs labels"
    kind: Literal["confidence"] = "confidence"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """The softmax over teachers of -CE_k, which is p_k(label) / sum_j p_j(label), at T = 1.

        A teacher that does not cover the label's class has none of the weight. Where a sample has
        no label (-1), or no teacher covers its class, all teachers present count the same.
        """
        labels_B, present_KB = context.given_labels, knowledge.present
        scores_KBC = at_least_single(knowledge.logits)
        scores_KBC = scores_KBC.masked_fill(~knowledge.known.unsqueeze(1), -torch.inf)
        index_KB1 = labels_B.clamp(min=0).expand(present_KB.shape).unsqueeze(2)
        of_label_KB = torch.log_softmax(scores_KBC, dim=-1).gather(2, index_KB1).squeeze(2)
        of_label_KB = torch.where(present_KB, of_label_KB, -torch.inf)
        usable_B = (labels_B >= 0) & torch.isfinite(of_label_KB).any(dim=0)
        # Zeros where a label is of no use: the softmax of -inf alone would be NaN.
        weights_KB = torch.softmax(torch.where(usable_B, of_label_KB, 0.0), dim=0)
        equal_KB = shared_equally(present_KB).to(weights_KB.dtype)
        return replace(knowledge, weights=torch.where(usable_B, weights_KB, equal_KB))


class CorrectOnly(WeightingRule):
    """The teachers that predict the label, all the same; the label itself where none does.

    Source: Meng et al. (2019), conditional teacher-student learning, for one teacher; over K of
    them it is ours.
    """

    needs_labels: ClassVar[bool] = True
    reads_answers: ClassVar[bool] = True
    has_fallback: ClassVar[bool] = True
    training_only: ClassVar[str] = "needs labels"
    kind: Literal["correct_only"] = "correct_only"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """1/n for each of the n teachers present whose largest logit is the label's.

        For labelled samples that no teacher predicts correctly the label is the fallback and all
        weights are 0. For samples without a label (-1) all teachers present count the same.
        """
        labels_B, present_KB = context.given_labels, knowledge.present
        scores_KBC = knowledge.logits.masked_fill(~knowledge.known.unsqueeze(1), -torch.inf)
        labelled_B = labels_B >= 0
        right_KB = present_KB & (scores_KBC.argmax(dim=2) == labels_B)
        weights_KB = shared_equally(torch.where(labelled_B, right_KB, present_KB))
        fallback_B = torch.where(labelled_B & ~right_KB.any(dim=0), labels_B, -1)
        return replace(knowledge, weights=weights_KB, fallback_labels=fallback_B)

"""The rules ``max_entropy`` and ``min_entropy``: for each sample the least, or most, certain one.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, Tensor, torch
from students.objectives.softening import at_least_single
from teachers.weighting.rule import RuleContext, WeightingRule, shared_equally


def entropies(
    logits_KBC: Float[Tensor, "teachers batch classes"], known_KC: Bool[Tensor, "teachers classes"]
) -> Float[Tensor, "teachers batch"]:
    """-sum_c q log q of q = softmax(z) at temperature 1, over the classes that a teacher covers,
    in nats: 0 for a certain teacher, log C at most."""
    known_K1C = known_KC.unsqueeze(1)
    scores_KBC = at_least_single(logits_KBC).masked_fill(~known_K1C, -torch.inf)
    log_probabilities_KBC = torch.log_softmax(scores_KBC, dim=-1)
    finite_KBC = torch.where(known_K1C, log_probabilities_KBC, 0.0)
    return -(finite_KBC.exp() * finite_KBC).sum(dim=-1)


def highest(
    scores_KB: Float[Tensor, "teachers batch"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """All of a sample's weight for the teacher present with the highest score; those that tie
    share it equally, since the order of teachers means nothing."""
    scores_KB = torch.where(present_KB, scores_KB, -torch.inf)
    highest_1B = scores_KB.max(dim=0, keepdim=True).values
    return shared_equally(present_KB & (scores_KB == highest_1B))


class MaxEntropy(WeightingRule):
    """For each sample the least certain teacher; a known way of combining, of which no one paper
    is the source."""

    reads_answers: ClassVar[bool] = True
    kind: Literal["max_entropy"] = "max_entropy"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """All of a sample's weight for the highest entropy."""
        scores = entropies(knowledge.logits, knowledge.known)
        return replace(knowledge, weights=highest(scores, knowledge.present))


class MinEntropy(WeightingRule):
    """For each sample the most certain teacher."""

    reads_answers: ClassVar[bool] = True
    kind: Literal["min_entropy"] = "min_entropy"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """All of a sample's weight for the lowest entropy."""
        scores = -entropies(knowledge.logits, knowledge.known)
        return replace(knowledge, weights=highest(scores, knowledge.present))

"""The rules ``uniform`` and ``fixed``: the same weights for every sample.

B batch, K teachers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, Tensor, torch
from teachers.weighting.rule import RuleContext, WeightingRule, normalized, shared_equally


class Uniform(WeightingRule):
    """All teachers count the same (Hinton, Vinyals & Dean, 2015, section 3)."""

    is_constant: ClassVar[bool] = True
    kind: Literal["uniform"] = "uniform"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """1/K for each of the K teachers present."""
        return replace(knowledge, weights=shared_equally(knowledge.present))

    def given_weights(self, names: Sequence[str]) -> tuple[float, ...]:
        """1/K for each."""
        return (1.0 / len(names),) * len(names)


class Fixed(WeightingRule):
    """Each teacher counts as ``weights`` say, which sum to one."""

    is_constant: ClassVar[bool] = True
    kind: Literal["fixed"] = "fixed"
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """``fixed_weights`` of the recipe's numbers."""
        given_K = torch.tensor(self.given_weights(context.names))
        return replace(knowledge, weights=fixed_weights(given_K, knowledge.present))

    def given_weights(self, names: Sequence[str]) -> tuple[float, ...]:
        """The recipe's."""
        return normalized(self.weights, names)


def fixed_weights(
    given_K: Float[Tensor, " teachers"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """``given_K``, which sum to one, divided by what of them is present for a sample.

    Where all are present they are ``given_K`` to the bit; where no teacher with a weight above
    zero is, they are 0.
    """
    given_KB = given_K.unsqueeze(1).expand(present_KB.shape)
    present_weights_KB = torch.where(present_KB, given_KB, 0.0)
    share_B = present_weights_KB.sum(dim=0) / given_KB.sum(dim=0)
    return present_weights_KB / torch.where(share_B > 0, share_B, 1.0)

"""The rule ``random``: one teacher, drawn for each sample or each micro-batch.

B batch, K teachers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.knowledge import Knowledge
from students.lazy_imports import np, torch
from students.randomness import seed_of
from teachers.weighting.constant import Uniform
from teachers.weighting.random_draws import origins, uniforms
from teachers.weighting.rule import RuleContext, WeightingRule, normalized


class RandomChoice(WeightingRule):
    """One teacher, drawn again for each sample or each micro-batch in each epoch."""

    is_random: ClassVar[bool] = True
    training_only: ClassVar[str] = "draws teachers at random"
    kind: Literal["random"] = "random"
    per: Literal["sample", "batch"] = Field("sample", description="batch: one micro-batch")
    weights: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="the probability of each teacher; all the same, if not said"
    )

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """All of a sample's weight for one teacher; by micro-batch, the one of its first sample.

        All weights are 0 where no teacher with a probability above zero is present. Each teacher
        has an arrival time of its own, -log(u) / w, and the first wins, which is teacher k with
        probability w_k / sum w of those present (exponential races). So neither the order of
        teachers nor the absence of one changes the time of another.
        Source: Fukuda et al. (2017), who draw one for each batch.
        """
        ids, epoch = context.question.sample_ids, context.question.epoch
        if self.per == "batch":
            ids = np.broadcast_to(ids[:1], ids.shape)
        each = [
            uniforms(origins(seed_of(context.seed, "random", name, epoch), ids))[:, 0]
            for name in context.names
        ]
        uniforms_KB = torch.from_numpy(np.stack(each))
        given_K1 = torch.tensor(self.given_weights(context.names), dtype=torch.float64).unsqueeze(1)
        eligible_KB = knowledge.present & (given_K1 > 0)
        times_KB = torch.where(eligible_KB, -uniforms_KB.log() / given_K1, torch.inf)
        winners_1B = times_KB.argmin(dim=0, keepdim=True)
        won_KB = torch.zeros_like(eligible_KB).scatter_(0, winners_1B, value=True)
        weights_KB = (won_KB & eligible_KB).to(torch.get_default_dtype())
        return replace(knowledge, weights=weights_KB)

    def given_weights(self, names: Sequence[str]) -> tuple[float, ...]:
        """The probabilities [K]."""
        if self.weights is None:
            return Uniform().given_weights(names)
        return normalized(self.weights, names)

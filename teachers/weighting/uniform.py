"""The rule ``uniform``: all teachers count the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from students.knowledge import Knowledge
from teachers.weighting.rule import RuleContext, WeightingRule, shared_equally


class Uniform(WeightingRule):
    """All teachers count the same."""

    is_constant: ClassVar[bool] = True
    kind: Literal["uniform"] = "uniform"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """w_k = 1/K among the teachers present.

        Source: Hinton, Vinyals & Dean (2015), section 3.
        """
        return replace(knowledge, weights=shared_equally(knowledge.present))

    def given_weights(self, names: Sequence[str]) -> tuple[float, ...]:
        """1/K for each."""
        return (1.0 / len(names),) * len(names)

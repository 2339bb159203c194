"""The rule ``adaptive``: a gating network that is trained with the student computes the weights."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.knowledge import Knowledge
from teachers.weighting.rule import RuleContext, WeightingRule


class Adaptive(WeightingRule):
    """By a gating network, trained with the student, from a latent vector for each teacher and the
    student's pooled feature (AMTML-KD; Liu et al., 2020)."""

    is_trained: ClassVar[bool] = True
    training_only: ClassVar[str] = "is part of the student"
    kind: Literal["adaptive"] = "adaptive"
    layer: str | None = Field(
        None,
        description="the student's layer it reads; the last before its outputs, if not said",
    )
    detached: bool = Field(
        False, description="whether the gate's gradient stops before the student's layer"
    )
    penalty: Annotated[float, Field(ge=0)] = Field(
        0.1, description="times the squares of all the gate's parameters"
    )
    learns_for: Annotated[int, Field(ge=1)] | None = Field(
        None, description="epochs, after which the gate is frozen; to the end, if not said"
    )

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """No weights yet: ``students.objectives.teacher_gate`` computes them, inside the module
        that is trained."""
        return knowledge

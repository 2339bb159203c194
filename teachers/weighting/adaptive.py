"""The rule ``adaptive``: the student's own gate weighs, so nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass

from teachers.weighting.rule import Rule, Said, Weighed


@dataclass(frozen=True)
class AdaptiveRule(Rule):
    """No weights: ``students.objectives.teacher_gate`` makes them, inside what learns.

    Source: Liu et al. (2020), AMTML-KD.
    """

    def __call__(self, said: Said) -> Weighed:
        """No weights yet."""
        return Weighed(None)

"""The rule ``uniform``: every teacher counts the same."""

from __future__ import annotations

from dataclasses import dataclass

from teachers.weighting.rule import Rule, Said, Weighed
from teachers.weighting.sharing import shared_equally


@dataclass(frozen=True)
class UniformRule(Rule):
    """w_k = 1/K among the teachers present.

    Source: Hinton, Vinyals & Dean (2015), section 3.
    """

    def __call__(self, said: Said) -> Weighed:
        """Equal weights."""
        return Weighed(shared_equally(said.present))

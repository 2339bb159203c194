"""The closed table of weighting rules: which kind of the recipe is which rule."""

from __future__ import annotations

from collections.abc import Sequence

from teachers.config import Adaptive, Fixed, Uniform, Weighting
from teachers.weighting.adaptive import AdaptiveRule
from teachers.weighting.fixed import FixedRule
from teachers.weighting.given import given_weights
from teachers.weighting.rule import Rule
from teachers.weighting.uniform import UniformRule


def build_rule(weighting: Weighting, names: Sequence[str], seed: int) -> Rule:
    """The rule for teachers ``names``; ``seed`` is for those that draw."""
    match weighting:
        case Uniform():
            return UniformRule()
        case Fixed():
            return FixedRule(given_weights(weighting, names))
        case Adaptive():
            return AdaptiveRule()
        case _:
            raise NotImplementedError(weighting.kind)

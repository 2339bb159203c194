"""The closed table of weighting rules: which kind of the recipe is which rule."""

from __future__ import annotations

from collections.abc import Sequence

from teachers.config import (
    Adaptive,
    Confidence,
    CorrectOnly,
    Fixed,
    MaxEntropy,
    MinEntropy,
    RandomChoice,
    Specialists,
    Uniform,
    Weighting,
)
from teachers.weighting.adaptive import AdaptiveRule
from teachers.weighting.confidence import ConfidenceRule
from teachers.weighting.correct_only import CorrectOnlyRule
from teachers.weighting.entropy import EntropyRule
from teachers.weighting.fixed import FixedRule
from teachers.weighting.given import given_weights
from teachers.weighting.random_choice import RandomRule
from teachers.weighting.rule import Rule
from teachers.weighting.specialists import SpecialistsRule
from teachers.weighting.uniform import UniformRule


def build_rule(weighting: Weighting, names: Sequence[str], seed: int) -> Rule:
    """The rule for teachers ``names``; ``seed`` is for those that draw."""
    match weighting:
        case Uniform():
            return UniformRule()
        case Fixed():
            return FixedRule(given_weights(weighting, names))
        case RandomChoice():
            given = given_weights(weighting, names)
            return RandomRule(tuple(names), given, weighting.per, seed)
        case MaxEntropy():
            return EntropyRule(least_sure=True)
        case MinEntropy():
            return EntropyRule(least_sure=False)
        case Confidence():
            return ConfidenceRule()
        case CorrectOnly():
            return CorrectOnlyRule()
        case Adaptive():
            return AdaptiveRule()
        case Specialists():
            return SpecialistsRule()

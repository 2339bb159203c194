"""The closed table of weighting rules: from a kind to the class of its settings and its weights."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from cluster.section import kind_first, one_of
from teachers.weighting.rule import WeightingRule

WEIGHTING_RULES = {
    "uniform": "teachers.weighting.uniform:Uniform",
    "fixed": "teachers.weighting.fixed:Fixed",
    "random": "teachers.weighting.random_choice:RandomChoice",
    "max_entropy": "teachers.weighting.entropy:MaxEntropy",
    "min_entropy": "teachers.weighting.entropy:MinEntropy",
    "confidence": "teachers.weighting.confidence:Confidence",
    "correct_only": "teachers.weighting.correct_only:CorrectOnly",
    "adaptive": "teachers.weighting.adaptive:Adaptive",
    "specialists": "teachers.weighting.specialists:Specialists",
}

if TYPE_CHECKING:
    WeightingConfig = WeightingRule
else:
    WeightingConfig = Annotated[one_of(WEIGHTING_RULES), BeforeValidator(kind_first)]


def rule_class(kind: str) -> type[WeightingRule]:
    """The class of a kind."""
    found: type[WeightingRule] = resolve_name(WEIGHTING_RULES[kind])
    return found

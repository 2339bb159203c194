"""The closed table of weighting rules: from a kind to the class of its settings and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from cluster.section import kind_first, one_of
from teachers.weighting.rule import WeightingRule

WEIGHTING_RULES = {
    "uniform": "teachers.weighting.constant:Uniform",
    "fixed": "teachers.weighting.constant:Fixed",
    "random": "teachers.weighting.random_choice:RandomChoice",
    "max_entropy": "teachers.weighting.entropy:MaxEntropy",
    "min_entropy": "teachers.weighting.entropy:MinEntropy",
    "confidence": "teachers.weighting.label_rules:Confidence",
    "correct_only": "teachers.weighting.label_rules:CorrectOnly",
    "adaptive": "teachers.weighting.adaptive:Adaptive",
    "specialists": "teachers.weighting.specialists:Specialists",
}

if TYPE_CHECKING:
    WeightingConfig = WeightingRule
else:
    WeightingConfig = Annotated[one_of(WEIGHTING_RULES), BeforeValidator(kind_first)]

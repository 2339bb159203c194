"""Which rules can be judged on held-out samples: without labels, draws, or the student."""

from __future__ import annotations

from teachers.config import Adaptive, Confidence, CorrectOnly, RandomChoice, Uniform, Weighting


def judged_without(weighting: Weighting) -> bool:
    """Whether an ensemble on held-out samples is judged without its rule, as the uniform mean:
    the rule needs labels, draws at random, or is the student's own."""
    return isinstance(weighting, (Confidence, CorrectOnly, RandomChoice, Adaptive))


def judged_by(weighting: Weighting) -> Weighting:
    """The rule by which the ensemble is judged on held-out samples."""
    return Uniform() if judged_without(weighting) else weighting

"""Turns the recipe's weighting into one weight per teacher."""

from __future__ import annotations

from collections.abc import Sequence

from teachers.config import Fixed, Uniform


def teacher_weights(weighting: Uniform | Fixed, names: Sequence[str]) -> tuple[float, ...]:
    """Weights [K] in the order of ``names``, not negative, summing to one."""
    if isinstance(weighting, Uniform):
        return (1.0 / len(names),) * len(names)
    given = [weighting.weights[name] for name in names]
    return tuple(value / sum(given) for value in given)

"""Weights that the recipe gives as numbers: the same for every sample."""

from __future__ import annotations

from collections.abc import Sequence

from teachers.config import Fixed, RandomChoice, Uniform


def given_weights(
    weighting: Uniform | Fixed | RandomChoice, names: Sequence[str]
) -> tuple[float, ...]:
    """Weights [K] in the order of ``names``, not negative; the recipe is held to a sum of one,
    of which what the last digits lack is made up here."""
    said = None if isinstance(weighting, Uniform) else weighting.weights
    if said is None:
        return (1.0 / len(names),) * len(names)
    each = [said[name] for name in names]
    return tuple(weight / sum(each) for weight in each)

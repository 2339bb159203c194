"""Tells a model whose outputs are probabilities from one whose outputs are logits."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from students.errors import ModelError

SAME_SUM = 0.01
"""How far a row's sum may be from 1, or from the mean of all rows in units of the range of the
outputs: bfloat16 has eight bits."""
FEWEST_ROWS = 16
"""Rows from which on it is no chance that all of them have one sum, or lie between 0 and 1."""
LEAST, MOST = 0.1, 0.9
"""What some outputs of a sigmoid lie below, and some above, once it is trained."""

Squashed = Literal["", "softmax", "sigmoid"]


def squashed_by(outputs: Float[Tensor, "samples outputs"]) -> Squashed:
    """What a model probably ends in, by its ``outputs``; empty if they may be logits.

    Softmax: none is below zero, and each row has the same sum (1; in percent, 100). Sigmoid: all
    lie between 0 and 1, zero excluded, and come near both. Rows that are all the same say nothing.
    """
    if len(outputs) < 2 or outputs.shape[1] < 2 or bool((outputs < 0).any()):
        return ""
    if not bool(outputs.isfinite().all()) or bool((outputs == outputs[:1]).all()):
        return ""
    sums = outputs.double().sum(dim=1)
    total, many = float(sums.mean()), len(outputs) >= FEWEST_ROWS
    least, most = float(outputs.min()), float(outputs.max())
    differ = float((sums - total).abs().max())
    if abs(total - 1) + differ <= SAME_SUM or (many and differ <= SAME_SUM * (most - least)):
        return "softmax"
    return "sigmoid" if many and 0 < least < LEAST and MOST < most <= 1 else ""


def check_logits(outputs: Float[Tensor, "samples outputs"], place: str) -> None:
    """Checks what the model at ``place`` of the recipe returns before it is trained.

    Raises:
        ModelError: these are probabilities. (A sigmoid shows only once it is trained.)
    """
    if squashed_by(outputs) == "softmax":
        raise ModelError(
            f"`{place}` returns probabilities, not logits (its outputs are above zero and add up "
            "to the same in each sample): losses take the softmax themselves, so after a second "
            "one little is learned; take the softmax off its end",
            path=place,
        )

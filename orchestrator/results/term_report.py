"""Value, weight and gradient norm of each loss term, by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TermReport:
    """One term of the student's objective in each epoch, from the first to the last.

    ``weights`` are those of the recipe; ``values`` are unweighted means over the epoch's
    samples; ``gradients`` are norms of the weighted term's gradient with respect to what it
    reads of the student (logits, or a guided layer), in the epoch's first step. None where the
    term was not computed.
    """

    kind: str
    weights: tuple[float, ...]
    values: tuple[float | None, ...]
    gradients: tuple[float | None, ...]


def gradient_shares(terms: Mapping[str, TermReport], epoch: int) -> dict[str, float]:
    """Each term's share of the sum of the gradients' norms in one epoch (-1: the last); nothing
    where they are not known, or all zero."""
    norms = {name: term.gradients[epoch] or 0.0 for name, term in terms.items() if term.gradients}
    whole = sum(norms.values())
    return {name: norm / whole for name, norm in norms.items()} if whole > 0 else {}

"""What each term of a student's objective said, as values: epoch by epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from students.storage.step_log import Row

_VALUE, _GRADIENT = "terms", "gradient"


@dataclass(frozen=True)
class TermReport:
    """One term in each epoch, the first to the last.

    ``weights`` as the recipe gives them; ``values`` are unweighted means over the epoch's
    samples; ``gradients`` the norm of the weighted term's gradient at what it sees of the
    student (logits, or a guided layer), in the epoch's first step. None where the term was
    silent.
    """

    kind: str
    weights: tuple[float, ...]
    values: tuple[float | None, ...]
    gradients: tuple[float | None, ...]


class Said(NamedTuple):
    """What one term said in each epoch."""

    values: tuple[float | None, ...]
    gradients: tuple[float | None, ...]


def term_values(rows: Iterable[Row], steps_per_epoch: int, epochs: int) -> dict[str, Said]:
    """Means over each epoch's steps, by term, from the rows of one stage."""
    found: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for row in rows:
        if row.kind == "step":
            for key, value in row.values.items():
                part, _, name = key.partition("/")
                found[part, name, row.step // steps_per_epoch].append(value)

    def over(part: str, name: str) -> tuple[float | None, ...]:
        each = (found.get((part, name, epoch)) for epoch in range(epochs))
        return tuple(fmean(values) if values else None for values in each)

    names = {name: None for part, name, _ in found if part == _VALUE}
    return {name: Said(over(_VALUE, name), over(_GRADIENT, name)) for name in names}


def gradient_shares(terms: Mapping[str, TermReport], epoch: int) -> dict[str, float]:
    """Each term's share of the sum of the gradients' norms in one epoch (-1: the last); nothing
    where they are not known, or all zero."""
    norms = {name: term.gradients[epoch] or 0.0 for name, term in terms.items() if term.gradients}
    whole = sum(norms.values())
    return {name: norm / whole for name, norm in norms.items()} if whole > 0 else {}

"""Layers of the teachers and of the student, as terms name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reduction = Literal["none", "pool", "embedding"]
"""What is kept of a layer per sample; as in ``knowledge``, which needs torch."""


@dataclass(frozen=True)
class HintLayer:
    """A teacher's layer, and what is kept of it."""

    teacher: str
    layer: str
    reduction: Reduction

    @property
    def name(self) -> str:
        """How it is referred to among all teachers' layers: ``deep/layer3:pool``."""
        kept = "" if self.reduction == "none" else f":{self.reduction}"
        return f"{self.teacher}/{self.layer}{kept}"


@dataclass(frozen=True)
class Guided:
    """A student's layer that a term looks at: through an adapter that brings it to the shape of
    ``hint``, or, without one, as one vector per sample. ``place`` is where the recipe names it,
    within the term."""

    layer: str
    hint: HintLayer | None
    place: str = "guided"

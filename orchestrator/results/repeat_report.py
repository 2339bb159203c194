"""Test accuracies of one recipe over several seeds, and the student's paired differences."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (none for one value)."""

    count: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Paired(Spread):
    """The difference of two models over the same seeds.

    ``low`` and ``high`` bound the mean difference with 95 % confidence (Student's t with
    ``count - 1`` degrees of freedom); they are none for one seed. ``wins`` counts the seeds on
    which the first is better, ``ties`` those on which both are equal.
    """

    low: float | None
    high: float | None
    wins: int
    ties: int


@dataclass(frozen=True)
class RepeatReport:
    """Test accuracies over seeds, by model, and the student's gain over each control."""

    recipe: str
    repeats: int
    accuracy: dict[str, Spread]
    gains: dict[str, Paired] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain mappings and numbers."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Any) -> RepeatReport:
        """Reads what ``to_json`` gave.

        Raises:
            ValueError: it is not such a report.
        """
        return TypeAdapter(RepeatReport).validate_python(plain)

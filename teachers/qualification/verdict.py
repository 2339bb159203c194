"""A teacher's verdict at the parity gate, as it is kept beside its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.parity_checks import Fidelity, Plausibility


@dataclass(frozen=True)
class Verdict:
    """What the gate found of a teacher run in ``manner``.

    ``fidelity`` at ``temperature``; ``deterministic``: the same samples asked again, in other
    company, gave the same bits; ``plausibility`` is none where no sample has a label;
    ``better_reading`` names another normalisation under which it would be right much more often;
    ``problems`` are whole sentences (empty: the teacher may teach), those of fidelity in
    ``unfaithful``, since they hold at one temperature only. ``doubts`` are whole sentences too,
    on what may be wrong and may as well be weakness: nobody is turned away for them.
    """

    inference: InferenceConfig
    temperature: float
    fidelity: Fidelity
    deterministic: bool
    plausibility: Plausibility | None
    better_reading: str | None = None
    problems: tuple[str, ...] = ()
    unfaithful: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the teacher may teach."""
        return not self.problems and not self.unfaithful

    def __str__(self) -> str:
        """In a few words, for a report."""
        if self.passes and self.doubts:
            return "passed, doubtful class map"
        if self.passes:
            return "passed" if self.plausibility else "passed (no labels to judge it by)"
        found = self.plausibility
        told = {
            "not faithful to fp32": bool(self.unfaithful),
            "not deterministic": not self.deterministic,
            "near chance": found is not None and found.near_chance,
            "classes in another order": found is not None and found.order is not None,
            f"better with {self.better_reading}": self.better_reading is not None,
        }
        return "failed: " + ", ".join(words for words, holds in told.items() if holds)

    def to_json(self) -> dict[str, Any]:
        """Names and plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """The verdict that ``to_json`` gave.

        Raises:
            ValueError, KeyError, TypeError: these are not its values.
        """
        found = values["plausibility"]
        if found is not None:
            order = found["order"]
            found = Plausibility(**{**found, "order": None if order is None else tuple(order)})
        return cls(
            **{
                **values,
                "inference": InferenceConfig.from_json(values["inference"]),
                "fidelity": Fidelity(**values["fidelity"]),
                "plausibility": found,
                "problems": tuple(values["problems"]),
                "doubts": tuple(values.get("doubts", ())),
            }
        )

"""What was tried when a teacher's manner was chosen, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from teachers.inference.inference_config import InferenceConfig


@dataclass(frozen=True)
class Candidate:
    """One manner that was tried: median samples/s (None: it does not run), how near it is to
    plain fp32 (None: not looked at), and in words why it was ``rejected`` (empty: it was not)."""

    inference: InferenceConfig
    rate: float | None = None
    mean_kl: float | None = None
    same_argmax: float | None = None
    rejected: str = ""


@dataclass(frozen=True)
class Tuning:
    """The manner chosen for a teacher, samples/s in it and in plain fp32 (None: not measured, as
    where nothing was tried), every trial, and the ``reason`` in words."""

    chosen: InferenceConfig
    plain_rate: float | None
    chosen_rate: float | None
    trials: tuple[Candidate, ...] = ()
    reason: str = ""

    @property
    def gain(self) -> float | None:
        """How many times faster than plain fp32."""
        if not self.plain_rate or self.chosen_rate is None:
            return None
        return self.chosen_rate / self.plain_rate

    def to_json(self) -> dict[str, Any]:
        """Names and plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Tuning:
        """The tuning that ``to_json`` gave.

        Raises:
            ValueError, KeyError, TypeError: these are not its values.
        """
        trials = tuple(
            Candidate(**{**each, "inference": InferenceConfig.from_json(each["inference"])})
            for each in values["trials"]
        )
        chosen = InferenceConfig.from_json(values["chosen"])
        return cls(**{**values, "chosen": chosen, "trials": trials})

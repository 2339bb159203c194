"""What a student in training tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepReport:
    """One optimizer step. ``terms`` are unweighted means over the batch, of those terms that
    count in this epoch; times in seconds.

    ``wait_seconds`` is the time starved of knowledge, part of ``step_seconds``; ``skipped`` is
    1 where gradients were not finite. ``gradients``, in the first step of an epoch, is the norm
    of each term's gradient where it meets the student, of the step's first micro-batch.
    """

    step: int
    loss: float
    terms: Mapping[str, float]
    learning_rate: float
    gradient_norm: float
    samples: int
    step_seconds: float
    wait_seconds: float
    skipped: int
    gradients: Mapping[str, float] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """The figures by the names under which they are logged."""
        return {
            "loss": self.loss,
            **{f"terms/{name}": value for name, value in self.terms.items()},
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "samples": float(self.samples),
            "step_seconds": self.step_seconds,
            "wait_seconds": self.wait_seconds,
            "skipped": float(self.skipped),
            **{f"gradient/{name}": value for name, value in self.gradients.items()},
        }


@dataclass(frozen=True)
class EpochReport:
    """The validation part after an epoch, none where there is none; ``step`` counts steps done."""

    epoch: int
    step: int
    accuracy: float | None
    nll: float | None


@dataclass(frozen=True)
class Resumed:
    """Training goes on at ``step`` of ``total_steps``."""

    step: int
    total_steps: int
    epochs: int


@dataclass(frozen=True)
class Advanced:
    """``steps`` are done; told now and then, so that a silence means something is stuck."""

    steps: int
    loss: float


@dataclass(frozen=True)
class Committed:
    """A checkpoint stands; ``segments`` name the part of the spool that belongs to it."""

    step: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Warned:
    """Something that whoever watches should read, such as a teacher that was restarted."""

    text: str


Event = Resumed | Advanced | EpochReport | Committed | Warned

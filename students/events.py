"""Events: what a student in training reports to the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """The validation figures after an epoch, that is after ``step`` steps; none without a part."""

    epoch: int
    step: int
    accuracy: float | None
    nll: float | None


@dataclass(frozen=True)
class Resumed:
    """Training starts, or continues, at ``step`` of ``total_steps``."""

    step: int
    total_steps: int
    epochs: int


@dataclass(frozen=True)
class Advanced:
    """``steps`` are done. Sent about once a second, so that silence means that a rank is stuck."""

    steps: int
    loss: float


@dataclass(frozen=True)
class Committed:
    """A checkpoint is committed; ``segments`` name the part of the step log that belongs to it."""

    step: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Warned:
    """A warning for the user, such as that a teacher was restarted."""

    text: str


Event = Resumed | Advanced | EpochReport | Committed | Warned

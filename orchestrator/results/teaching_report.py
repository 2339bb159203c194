"""How a student was taught, as values: its teachers' manners and answers, and its speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_MOST_BESIDE = 0.05
"""More of a stage's time beside others than that, and its speed is not compared."""


@dataclass(frozen=True)
class TeacherRun:
    """One teacher of the student.

    ``manner`` in words, as it was run; ``plain_rate`` and ``chosen_rate`` samples/s when the
    manner was chosen, in plain fp32 and in it (none where there was nothing to choose). Parity:
    ``kl`` the mean divergence from plain fp32 in nats at the ensemble's temperature,
    ``same_argmax`` a share, ``verdict`` in words (none where no gate was passed). Answers:
    ``read`` from the bank and ``asked`` of the teacher, which ``computed`` so many of these.
    """

    inference: str | None = None
    plain_rate: float | None = None
    chosen_rate: float | None = None
    kl: float | None = None
    same_argmax: float | None = None
    verdict: str | None = None
    read: int = 0
    asked: int = 0
    computed: int = 0

    @property
    def gain(self) -> float | None:
        """How many times faster than plain fp32; none where that was not measured."""
        if not self.plain_rate or not self.chosen_rate:
            return None
        return self.chosen_rate / self.plain_rate


@dataclass(frozen=True)
class StepSpeed:
    """The steps of one stage: ``samples_per_second`` over all of them, the share of their time
    that the student waited for knowledge, and the share in which other stages of the run were
    at work ``beside`` it, which may have slowed it."""

    samples_per_second: float
    wait_share: float
    beside: float = 0.0

    @property
    def alone(self) -> bool:
        """Whether its speed may be compared with that of another stage."""
        return self.beside <= _MOST_BESIDE


@dataclass(frozen=True)
class Prediction:
    """What ``check --measure`` expected, beside what came.

    ``samples_per_second`` of the student's steps, seconds of each stage by title, ``bytes`` of
    the answers in the bank, and ``seconds`` of the whole run.
    """

    seconds: float
    samples_per_second: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None


@dataclass(frozen=True)
class TeachingReport:
    """How the student was taught. ``bytes`` are those of its teachers' answers in the bank."""

    teachers: Mapping[str, TeacherRun] = field(default_factory=dict)
    student: StepSpeed | None = None
    untaught: StepSpeed | None = None
    bytes: int | None = None
    foretold: Prediction | None = None

    @property
    def of_untaught(self) -> float | None:
        """The student's samples/s as a share of the untaught student's; none where other stages
        ran beside either of them."""
        if self.student is None or self.untaught is None:
            return None
        if not (self.student.alone and self.untaught.alone):
            return None
        return self.student.samples_per_second / self.untaught.samples_per_second

    def scores(self) -> dict[str, float]:
        """The figures that a tracker keeps, by ``teaching/...``."""
        return {name: value for name, value in self._scores() if value is not None}

    def _scores(self) -> Iterator[tuple[str, float | None]]:
        yield "teaching/of_untaught", self.of_untaught
        for name, speed in (("student", self.student), ("untaught", self.untaught)):
            if speed is not None:
                yield f"teaching/{name}/samples_per_second", speed.samples_per_second
                yield f"teaching/{name}/wait_share", speed.wait_share
                yield f"teaching/{name}/beside", speed.beside
        for name, run in self.teachers.items():
            yield f"teaching/{name}/gain", run.gain
            yield f"teaching/{name}/kl", run.kl
            yield f"teaching/{name}/same_argmax", run.same_argmax
            yield f"teaching/{name}/read", float(run.read)
            yield f"teaching/{name}/computed", float(run.computed)

"""What a measurement expects of a run, as values that go to JSON and back.

HOME/runs/NAME@DIGEST/measured.json   kept where the report of that run compares it with the run
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, computed_field


@dataclass(frozen=True)
class MeasuredTeacher:
    """One teacher: ``rate`` answers/s of one replica, run as ``inference`` says (in words).

    ``gain`` is that rate over the one of plain fp32, none where nothing else was tried;
    ``training_rate`` samples/s while it is trained, none where it has been: it was timed with
    untrained weights if it has one.
    """

    inference: str
    threads: int
    rate: float
    gain: float | None = None
    training_rate: float | None = None


@dataclass(frozen=True)
class Speeds:
    """The student's samples/s.

    ``untaught``; ``computed``: taught, with answers that teachers compute, none where it has no
    teachers or they compute in too few steps; ``read``: with answers from the bank, none without.
    """

    untaught: float
    computed: float | None = None
    read: float | None = None


@dataclass(frozen=True)
class MeasuredBank:
    """The bytes of all answers that the student asks for, and the bank's ``budget`` in bytes."""

    bytes: int
    budget: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fits(self) -> bool:
        """Whether the budget holds them."""
        return self.bytes <= self.budget


@dataclass(frozen=True)
class ExpectedStage:
    """One stage that is still to be run: its seconds if nothing runs beside it.

    ``test_seconds`` follow at the end of the run, for the test part. ``samples_per_second`` of its
    steps, over the whole stage, none of an evaluation; ``asked`` and ``read`` count the answers
    that teachers compute for it and that it reads from the bank.
    """

    name: str
    digest: str
    seconds: float
    test_seconds: float
    samples_per_second: float | None = None
    asked: int = 0
    read: int = 0


@dataclass(frozen=True)
class MeasuredPlan:
    """A plan on this machine of ``cores`` cores.

    ``speeds`` are those of the student, each of whose ranks computes on ``student_threads``;
    ``seconds`` those of the whole run, of the stages that are not stored; ``assumed`` says what
    that rests on.
    """

    name: str
    recipe_digest: str
    cores: int
    measuring_seconds: float
    student_threads: int
    speeds: Speeds
    teachers: Mapping[str, MeasuredTeacher]
    bank: MeasuredBank | None
    stages: tuple[ExpectedStage, ...]
    seconds: float
    assumed: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def of_untaught(self) -> dict[str, float]:
        """The speeds of the taught student as shares of the untaught one's."""
        rates = {"computed": self.speeds.computed, "read": self.speeds.read}
        return {name: rate / self.speeds.untaught for name, rate in rates.items() if rate}

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return dict(_PLAN.dump_python(self, mode="json"))


_PLAN = TypeAdapter(MeasuredPlan)

"""What was measured of a plan and what it makes one expect, as values that go to JSON and back.

HOME/runs/NAME@DIGEST/measured.json   kept beside the report of the run that it foretells
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.profiling.throughput_model import Speeds
from orchestrator.results.teaching_report import MEASURED


@dataclass(frozen=True)
class MeasuredTeacher:
    """One teacher: ``rate`` samples/s of one replica in ``manner`` (in words), on ``threads``.

    ``gain`` is that rate over the one of plain fp32, none where nothing else was tried;
    ``training_rate`` samples/s while it is trained, none where it need not be; ``fresh``: it
    was timed with fresh weights, for it is still to be trained.
    """

    inference: str
    threads: int
    rate: float
    gain: float | None = None
    training_rate: float | None = None
    fresh: bool = False


@dataclass(frozen=True)
class MeasuredBank:
    """What all answers that the student asks for take in the bank, whose ``budget`` is in bytes;
    ``read_us`` and ``write_us`` are microseconds of one answer of one teacher."""

    bytes: int
    budget: int
    read_us: float
    write_us: float

    @property
    def fits(self) -> bool:
        """Whether the budget holds them."""
        return self.bytes <= self.budget


@dataclass(frozen=True)
class ExpectedStage:
    """One stage that is still to be run: its seconds if nothing runs beside it.

    ``samples_per_second`` of its steps, over the whole stage; ``asked`` and ``read`` count the
    answers that teachers compute for it and that it finds stored.
    """

    name: str
    digest: str
    seconds: float
    samples_per_second: float | None = None
    asked: int = 0
    read: int = 0


@dataclass(frozen=True)
class MeasuredPlan:
    """A plan on this machine of ``cores`` cores.

    ``student_threads``, and the samples/s of one of its ranks on them, when nothing makes it
    wait; ``speeds`` is none where nobody teaches; ``seconds`` are the whole run's, of the stages
    that are not stored; ``assumed`` says what that rests on.
    """

    name: str
    recipe_digest: str
    cores: int
    measuring_seconds: float
    student_threads: int
    student_rate: float
    untaught_rate: float
    teachers: Mapping[str, MeasuredTeacher]
    speeds: Speeds | None
    bank: MeasuredBank | None
    stages: tuple[ExpectedStage, ...]
    seconds: float
    assumed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints, with the shares of the untaught student's rate."""
        plain: dict[str, Any] = _PLAN.dump_python(self, mode="json")
        if self.speeds is not None:
            plain["of_untaught"] = self.speeds.of_untaught()
        if self.bank is not None:
            plain["bank"]["fits"] = self.bank.fits
        return plain


_PLAN = TypeAdapter(MeasuredPlan)


def keep(measured: MeasuredPlan, folder: Path) -> None:
    """Keeps the measurement in the run's ``folder``.

    Raises:
        OSError: it cannot be written.
    """
    from students.durable_files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / MEASURED, (json.dumps(measured.to_json(), indent=1) + "\n").encode())

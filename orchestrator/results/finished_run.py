"""The reports of a run, their comparison over several seeds, and the files that hold them.

HOME/runs/NAME@DIGEST/report.json    the report on the recipe's own seed
HOME/runs/NAME@DIGEST/report.json.sha256   its checksum, as sha256sum prints it
HOME/runs/NAME@DIGEST/repeats.json   where there are several seeds, those on all, and a comparison
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.results.run_report import RunReport
from students.durable_files import write_atomically
from students.json_records import read_json, write_json

REPORT = "report.json"
CHECKSUM = "report.json.sha256"
REPEATS = "repeats.json"


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
    accuracy: Mapping[str, Spread]
    gains: Mapping[str, Paired] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedRun:
    """One report for each seed; ``repeats`` compares them where there are several."""

    reports: tuple[RunReport, ...]
    repeats: RepeatReport | None
    folder: Path

    @property
    def report(self) -> RunReport:
        """The report on the recipe's own seed."""
        return self.reports[0]

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return self.report.to_json() | self._comparison()

    def write(self) -> None:
        """Stores the reports in the run's folder."""
        write_report(self.folder, self.report)
        if self.repeats is not None:
            write_json(self.folder / REPEATS, self._comparison())

    def _comparison(self) -> dict[str, Any]:
        if self.repeats is None:
            return {}
        stored = _Stored(self.repeats, self.reports)
        return dict(_STORED.dump_python(stored, mode="json"))


@dataclass(frozen=True)
class _Stored:
    """The content of ``repeats.json``."""

    repeats: RepeatReport
    reports: tuple[RunReport, ...]


_STORED = TypeAdapter(_Stored)


def write_report(folder: Path, report: RunReport) -> None:
    """Stores a report in a run's ``folder``, as it is printed, and its checksum beside it."""
    content = (json.dumps(report.to_json(), indent=1) + "\n").encode()
    # In between there is a report without a checksum, which is read, not one with another's.
    with suppress(IsADirectoryError):  # It is moved aside below.
        (folder / CHECKSUM).unlink(missing_ok=True)
    write_atomically(folder / REPORT, content)
    write_atomically(folder / CHECKSUM, _checksum(content).encode())


def _checksum(content: bytes) -> str:
    """The line that ``sha256sum`` prints of the report."""
    return f"{hashlib.sha256(content).hexdigest()}  {REPORT}\n"


def read_report(folder: Path) -> RunReport:
    """The report that is stored in a run's ``folder``, with the paths that its files have now: its
    home may have moved.

    Raises:
        OSError: there is none.
        ValueError: it is damaged, or of another version.
    """
    content = (folder / REPORT).read_bytes()
    with suppress(FileNotFoundError):  # Written before there were checksums.
        if (folder / CHECKSUM).read_text() != _checksum(content):
            raise ValueError("it does not match its checksum")
    report = RunReport.from_json(content)
    return replace(report, artifacts={name: str(folder / name) for name in report.artifacts})


def read_finished_run(folder: Path) -> FinishedRun:
    """The reports that are stored in a run's ``folder``.

    Raises:
        OSError: there is none.
        ValueError: one is damaged, or of another version.
    """
    report = read_report(folder)
    if not (folder / REPEATS).exists():
        return FinishedRun((report,), None, folder)
    stored = _STORED.validate_python(read_json(folder / REPEATS))
    return FinishedRun((report, *stored.reports[1:]), stored.repeats, folder)

"""The reports of a run, their comparison over several seeds, and the files that hold them.

HOME/runs/NAME@DIGEST/report.json    the report on the recipe's own seed
HOME/runs/NAME@DIGEST/repeats.json   where there are several seeds, those on all, and a comparison
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.results.run_report import RunReport
from students.json_records import read_json, write_json

REPORT = "report.json"
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
        write_json(self.folder / REPORT, self.report.to_json())
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


def read_report(folder: Path) -> RunReport:
    """The report that is stored in a run's ``folder``, with the paths that its files have now: its
    home may have moved.

    Raises:
        OSError: there is none.
        ValueError: it is damaged, or of another version.
    """
    report = RunReport.from_json((folder / REPORT).read_bytes())
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

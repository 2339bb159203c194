"""The reports of a run, and the files of its folder that hold them.

HOME/runs/NAME@DIGEST/report.json    the report on the recipe's own seed
HOME/runs/NAME@DIGEST/repeats.json   where there are several seeds, those on all, and a comparison
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.results.repeat_report import RepeatReport
from orchestrator.results.run_report import RunReport
from students.durable_files import write_atomically

REPORT = "report.json"
REPEATS = "repeats.json"


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
        reports = [report.to_json() for report in self.reports]
        return {"repeats": self.repeats.to_json(), "reports": reports}


def read_finished_run(folder: Path) -> FinishedRun:
    """The reports that are stored in a run's ``folder``.

    Raises:
        OSError: there is none.
        ValueError: one is damaged, or of another version.
    """
    report = RunReport.from_json((folder / REPORT).read_bytes())
    if not (folder / REPEATS).exists():
        return FinishedRun((report,), None, folder)
    plain = json.loads((folder / REPEATS).read_bytes())
    if not isinstance(plain, dict) or not {"repeats", "reports"} <= plain.keys():
        raise ValueError(f"'{folder / REPEATS}' is damaged, or of another version")
    reports = tuple(map(RunReport.from_plain, plain["reports"]))
    return FinishedRun(reports, RepeatReport.from_plain(plain["repeats"]), folder)


def write_json(path: Path, plain: dict[str, Any]) -> None:
    """Replaces a file as a whole, so that no reader finds half of it."""
    write_atomically(path, (json.dumps(plain, indent=1) + "\n").encode())

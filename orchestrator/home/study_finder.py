"""Finds the studies of a home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.home.process_lock import is_locked
from orchestrator.home.study_stages import LOCK
from orchestrator.results.study_report import STUDY, StudyReport, read_study


@dataclass(frozen=True)
class ReportedStudy:
    """A study's folder and the report in it; ``written`` is the report's time, in s since 1970."""

    folder: Path
    report: StudyReport
    written: float

    @property
    def running(self) -> bool:
        """Whether some process runs it now."""
        return is_locked(self.folder / LOCK)


def find_studies(home: Path) -> tuple[tuple[ReportedStudy, ...], tuple[Path, ...]]:
    """The studies in ``home``, the newest first, and the folders with a damaged report."""
    studies: list[ReportedStudy] = []
    unreadable: list[Path] = []
    for file in sorted(home.glob(f"studies/*/{STUDY}")):
        try:
            written = file.stat().st_mtime
            studies.append(ReportedStudy(file.parent, read_study(file.parent), written))
        except (OSError, ValueError, KeyError, TypeError):
            unreadable.append(file.parent)
    studies.sort(key=lambda study: study.written, reverse=True)
    return tuple(studies), tuple(unreadable)

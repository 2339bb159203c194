"""Writes a study's page: ``study.md`` with its tables and pictures, beside ``study.json``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import first_line
from orchestrator.report.render_page import escaped_markdown, grid_markdown, picture_markdown
from orchestrator.report.render_study import (
    all_trials_table,
    headline,
    study_summary,
    study_tables,
)
from orchestrator.results.study_report import STUDY, StudyReport, recipe_file, write_study
from students.durable_files import write_atomically

if TYPE_CHECKING:
    from orchestrator.report.plots import Picture

PAGE = "study.md"

Pictures = tuple[tuple["Picture", ...], tuple[str, ...]]
"""Pictures that were drawn, and a sentence on each that could not be."""


def write_study_page(
    folder: Path, report: StudyReport, draw: Callable[[StudyReport], Pictures]
) -> StudyReport:
    """Writes page, pictures and ``study.json``; gives the report with their paths by file name.

    Page and report are written before the pictures are drawn, and again with them.
    """
    _write(folder, report, ())
    try:
        pictures, failed = draw(report)
    except Exception as error:  # noqa: BLE001 - it is reported, and costs the study nothing else
        reason = f"{type(error).__name__}: {first_line(error)}"
        pictures, failed = (), (f"No picture could be drawn ({reason}).",)
    return _write(folder, replace(report, remarks=(*report.remarks, *failed)), pictures)


def _write(folder: Path, report: StudyReport, pictures: Sequence[Picture]) -> StudyReport:
    recipes = [recipe_file(winner.trial) for winner in report.winners]
    files = [
        PAGE,
        STUDY,
        *(["best.yaml", *recipes] if recipes else []),
        *(p.file for p in pictures),
    ]
    report = replace(report, artifacts={name: str(folder / name) for name in files})
    write_atomically(folder / PAGE, _page(report, pictures).encode())
    write_study(folder, report)
    return report


def _page(report: StudyReport, pictures: Sequence[Picture]) -> str:
    parts = [
        f"# {escaped_markdown(report.study)}",
        f"{escaped_markdown(headline(report))}.",
        *map(grid_markdown, study_tables(report)),
        *map(escaped_markdown, study_summary(report)),
        *map(picture_markdown, pictures),
    ]
    if report.trials:
        parts.append(grid_markdown(all_trials_table(report)))
    return "\n\n".join(parts) + "\n"

"""Writes a run's page: ``report.md`` with tables, its pictures and ``report.json`` beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import first_line
from orchestrator.formatting import Grid
from orchestrator.report.render_summary import repeats_sentence, summary
from orchestrator.report.render_tables import repeats_table, report_tables
from orchestrator.results.finished_run import REPEATS, REPORT, FinishedRun, RepeatReport
from orchestrator.results.run_report import RunReport
from students.durable_files import write_atomically

if TYPE_CHECKING:
    from orchestrator.report.plots import Picture

PAGE = "report.md"


def write_page(finished: FinishedRun) -> FinishedRun:
    """Writes page, pictures and reports into the run's folder; gives the run with the paths of
    these artifacts by file name in its first report.

    The page and the reports are written before the pictures are drawn, and again with them. The
    same report writes the same bytes except for the seconds in it.
    """
    _write(finished, ())
    pictures, failed = _draw(finished.report, finished.folder)
    first = replace(finished.report, remarks=(*finished.report.remarks, *failed))
    return _write(replace(finished, reports=(first, *finished.reports[1:])), pictures)


def _write(finished: FinishedRun, pictures: Sequence[Picture]) -> FinishedRun:
    folder, report = finished.folder, finished.report
    files = [PAGE, REPORT, *(picture.file for picture in pictures)]
    if finished.repeats is not None:
        files.append(REPEATS)
    artifacts = {**report.artifacts, **{name: str(folder / name) for name in files}}
    first = replace(report, artifacts=artifacts)
    finished = replace(finished, reports=(first, *finished.reports[1:]))
    write_atomically(folder / PAGE, _page(report, pictures, finished.repeats).encode())
    finished.write()
    return finished


def _draw(report: RunReport, folder: Path) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    try:
        # Takes most of a second, and fails where the environment names a backend that is not there.
        from orchestrator.report.plots import draw_pictures
    except Exception as error:  # noqa: BLE001 - it is reported, and costs the run nothing else
        reason = f"{type(error).__name__}: {first_line(error)}"
        return (), (f"No picture could be drawn, for matplotlib cannot be imported ({reason}).",)
    return draw_pictures(report, folder)


def _page(report: RunReport, pictures: Sequence[Picture], repeats: RepeatReport | None) -> str:
    """The page's markdown; the pictures' files lie beside it."""
    parts = [
        f"# {escaped_markdown(report.name)}",
        f"Recipe `{report.recipe_digest}`: {report.outcome} in {report.seconds:.1f} s.",
        *map(grid_markdown, report_tables(report)),
        *map(escaped_markdown, summary(report)),
    ]
    if repeats is not None:
        parts += [
            grid_markdown(repeats_table(repeats)),
            escaped_markdown(repeats_sentence(repeats)),
        ]
    parts += map(picture_markdown, pictures)
    stages = tuple(
        (stage.name, "ran" if stage.ran else "stored", f"{stage.seconds:.1f}", stage.digest[:12])
        for stage in report.stages
    )
    if stages:
        headers = ("stage", "status", "seconds", "digest")
        parts.append(grid_markdown(Grid("Stages", headers, stages, words=2)))
    return "\n\n".join(parts) + "\n"


def picture_markdown(picture: Picture) -> str:
    """A picture in markdown, between its title and its caption; its file lies beside the page."""
    shown = f"![{picture.title}]({picture.file})"
    return f"## {picture.title}\n\n{shown}\n\n*{escaped_markdown(picture.caption)}*"


def grid_markdown(grid: Grid) -> str:
    """A table in markdown, below its title; figures stand to the right."""
    rule = ["---"] * grid.words + ["---:"] * (len(grid.headers) - grid.words)
    lines = [grid.headers, rule, *grid.rows]
    rows = "\n".join(f"| {' | '.join(map(escaped_markdown, line))} |" for line in lines)
    return f"## {escaped_markdown(grid.title)}\n\n{rows}"


def escaped_markdown(text: str) -> str:
    """``text`` with an escape before what markdown would take as markup."""
    return re.sub(r"[\\|*_<$`\[]", r"\\\g<0>", text)

"""Writes a run's page: ``report.md`` with tables, its pictures and ``report.json`` beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.formatting import Grid
from orchestrator.report.plots import Picture, draw_pictures
from orchestrator.report.render_summary import repeats_sentence, summary
from orchestrator.report.render_tables import repeats_table, report_tables
from orchestrator.results.finished_run import REPEATS, REPORT, FinishedRun, RepeatReport
from orchestrator.results.run_report import RunReport
from students.durable_files import write_atomically

PAGE = "report.md"


def write_page(finished: FinishedRun) -> FinishedRun:
    """Writes page, pictures and reports into the run's folder; gives the run with the paths of
    these artifacts by file name in its first report.

    The same report writes the same bytes except for the seconds in it.
    """
    folder, report = finished.folder, finished.report
    pictures = draw_pictures(report, folder)
    files = [PAGE, REPORT, *(picture.file for picture in pictures)]
    if finished.repeats is not None:
        files.append(REPEATS)
    artifacts = {**report.artifacts, **{name: str(folder / name) for name in files}}
    first = replace(report, artifacts=artifacts)
    finished = replace(finished, reports=(first, *finished.reports[1:]))
    write_atomically(folder / PAGE, _page(report, pictures, finished.repeats).encode())
    finished.write()
    return finished


def _page(report: RunReport, pictures: Sequence[Picture], repeats: RepeatReport | None) -> str:
    """The page's markdown; the pictures' files lie beside it."""
    parts = [
        f"# {_escaped(report.name)}",
        f"Recipe `{report.recipe_digest}`: {report.outcome} in {report.seconds:.1f} s.",
        *map(grid_markdown, report_tables(report)),
        *map(_escaped, summary(report)),
    ]
    if repeats is not None:
        parts += [grid_markdown(repeats_table(repeats)), _escaped(repeats_sentence(repeats))]
    parts += [
        f"## {picture.title}\n\n![{picture.title}]({picture.file})\n\n*{picture.caption}*"
        for picture in pictures
    ]
    stages = tuple(
        (stage.name, "ran" if stage.ran else "stored", f"{stage.seconds:.1f}", stage.digest[:12])
        for stage in report.stages
    )
    if stages:
        headers = ("stage", "status", "seconds", "digest")
        parts.append(grid_markdown(Grid("Stages", headers, stages, words=2)))
    return "\n\n".join(parts) + "\n"


def grid_markdown(grid: Grid) -> str:
    """A table in markdown, below its title; figures stand to the right."""
    rule = ["---"] * grid.words + ["---:"] * (len(grid.headers) - grid.words)
    lines = [grid.headers, rule, *grid.rows]
    rows = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
    return f"## {_escaped(grid.title)}\n\n{rows}"


def _escaped(text: str) -> str:
    return re.sub(r"[\\|*_<]", r"\\\g<0>", text)

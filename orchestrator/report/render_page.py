"""Writes a run's page: ``report.md`` with tables, its pictures and ``report.json`` beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.formatting.table import Grid
from orchestrator.report.plots import Picture, draw_pictures
from orchestrator.report.render_summary import repeats_sentence, summary
from orchestrator.report.render_tables import repeats_table, report_tables
from orchestrator.results.repeat_report import RepeatReport
from orchestrator.results.run_report import RunReport

PAGE = "report.md"
FIGURES = "report.json"
REPEATS = "repeats.json"


def write_page(report: RunReport, folder: Path, repeats: RepeatReport | None = None) -> RunReport:
    """Writes the page into ``folder``; gives the report with its artifacts' paths by file name.

    The same report writes the same bytes but for the seconds in it. ``repeats`` compares several
    seeds.
    """
    pictures = draw_pictures(report, folder)
    files = [PAGE, FIGURES, *(picture.file for picture in pictures)]
    if repeats is not None:
        files.append(REPEATS)
        _write(folder / REPEATS, json.dumps(repeats.to_json(), indent=1) + "\n")
    paths = {name: str(folder / name) for name in files}
    complete = replace(report, artifacts={**report.artifacts, **paths})
    _write(folder / PAGE, _page(report, pictures, repeats))
    _write(folder / FIGURES, json.dumps(complete.to_json(), indent=1) + "\n")
    return complete


def _page(report: RunReport, pictures: Sequence[Picture], repeats: RepeatReport | None) -> str:
    """The page's markdown; the pictures' files lie beside it."""
    parts = [
        f"# {_escaped(report.name)}",
        f"Recipe `{report.recipe_digest}`: {report.outcome} in {report.seconds:.1f} s.",
        *map(_section, report_tables(report)),
        *map(_escaped, summary(report)),
    ]
    if repeats is not None:
        parts += [_section(repeats_table(repeats)), _escaped(repeats_sentence(repeats))]
    parts += [
        f"## {picture.title}\n\n![{picture.title}]({picture.file})\n\n*{picture.caption}*"
        for picture in pictures
    ]
    if report.stages:
        parts.append(_section(_stages(report)))
    return "\n\n".join(parts) + "\n"


def _section(grid: Grid) -> str:
    return f"## {_escaped(grid.title)}\n\n{grid_markdown(grid)}"


def grid_markdown(grid: Grid) -> str:
    """A table in markdown; figures stand to the right."""
    rule = ["---"] * grid.words + ["---:"] * (len(grid.headers) - grid.words)
    lines = [grid.headers, rule, *grid.rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    for mark in ("\\", "|", "*", "_", "<"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _stages(report: RunReport) -> Grid:
    rows = tuple(
        (stage.name, "ran" if stage.ran else "stored", f"{stage.seconds:.1f}", stage.digest[:12])
        for stage in report.stages
    )
    return Grid("Stages", ("stage", "", "seconds", "digest"), rows)


def _write(path: Path, text: str) -> None:
    """Replaces a file as a whole, so that no reader finds half a page."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)

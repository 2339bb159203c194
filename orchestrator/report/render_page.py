"""Writes a run's page: ``report.md`` with tables, its pictures and ``report.json`` beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.formatting.table import Grid
from orchestrator.report.plots import CURVES, DARK_KNOWLEDGE, SIZES, draw_pictures
from orchestrator.report.render_summary import notes
from orchestrator.report.render_tables import report_grids
from orchestrator.report.repeats import RepeatReport, repeat_grid, repeat_sentence
from orchestrator.report.weighting_plots import LISTENING, TERMS
from orchestrator.results.run_report import RunReport
from students.durable_files import write_atomically

PAGE = "report.md"
FIGURES = "report.json"
REPEATS = "repeats.json"

_CAPTIONS = {
    CURVES: "Learning curves: the validation part after each epoch.",
    DARK_KNOWLEDGE: "What the ensemble thinks of the classes: off the diagonal lies what labels "
    "do not say.",
    LISTENING: "Who the student listened to: mean weights over the epochs, and by class in the "
    "last one.",
    TERMS: "What drove the student: each term's value, and the norm of its weighted gradient.",
    SIZES: "Accuracy against size: test part, parameters.",
}


def write_page(report: RunReport, folder: Path, repeats: RepeatReport | None = None) -> RunReport:
    """Writes the page into ``folder``; gives the report with its artifacts' paths by file name.

    The same report writes the same bytes but for the seconds in it. ``repeats`` is what several
    seeds say together.
    """
    pictures = draw_pictures(report, folder)
    files = [folder / PAGE, folder / FIGURES, *pictures]
    if repeats is not None:
        files.append(folder / REPEATS)
        write_atomically(
            folder / REPEATS, (json.dumps(repeats.to_json(), indent=1) + "\n").encode()
        )
    told = replace(report, artifacts={**report.artifacts, **{f.name: str(f) for f in files}})
    text = page(report, [picture.name for picture in pictures], repeats)
    write_atomically(folder / PAGE, text.encode())
    write_atomically(folder / FIGURES, (json.dumps(told.to_json(), indent=1) + "\n").encode())
    return told


def page(report: RunReport, pictures: Sequence[str], repeats: RepeatReport | None = None) -> str:
    """The page's markdown; ``pictures`` are the names of files beside it."""
    parts = [
        f"# {_escaped(report.name)}",
        f"Recipe `{report.recipe_digest}`: {report.outcome} in {report.seconds:.1f} s.",
        *(f"## {_escaped(grid.title)}\n\n{grid_markdown(grid)}" for grid in report_grids(report)),
        *(_escaped(note) for note in notes(report)),
        *_over_seeds(repeats),
        *(f"## {_CAPTIONS[name]}\n\n![{_CAPTIONS[name]}]({name})" for name in pictures),
        f"## Stages\n\n{grid_markdown(_stages(report))}" if report.stages else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _over_seeds(repeats: RepeatReport | None) -> tuple[str, ...]:
    if repeats is None:
        return ()
    grid = repeat_grid(repeats)
    return f"## {_escaped(grid.title)}\n\n{grid_markdown(grid)}", _escaped(repeat_sentence(repeats))


def grid_markdown(grid: Grid) -> str:
    """A table in markdown; figures stand to the right."""
    rule = ["---"] * grid.words + ["---:"] * (len(grid.headers) - grid.words)
    lines = [grid.headers, rule, *grid.rows]
    return "\n".join(_line(line) for line in lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


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

"""The command ``stillhouse list``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.commands.options import home_option, json_option

if TYPE_CHECKING:
    from orchestrator.home.run_finder import StoredRun, StoredRuns

_NS = 10**9


@click.command("list")
@home_option
@json_option
def command(home: Path, as_json: bool) -> None:
    """Lists the runs, the newest first, and how many stages are stored or unfinished."""
    from orchestrator.home.run_finder import find_runs
    from orchestrator.home.store import Store

    stored = find_runs(home)
    stages = Store(home).stages()
    counts = {
        "stored": sum(stage.finished for stage in stages),
        "unfinished": sum(stage.unfinished for stage in stages),
    }
    if as_json:
        click.echo(json.dumps(_as_object(stored, counts)))
    else:
        _print(stored, counts)


def _print(stored: StoredRuns, counts: dict[str, int]) -> None:
    from orchestrator.commands.console import output
    from orchestrator.formatting.table import Grid, print_grid
    from orchestrator.report.render_tables import gain_cells

    console = output()
    if stored.runs:
        rows = tuple(
            (run.title, _local_time(run), _outcome(run), *gain_cells(run.report))
            for run in stored.runs
        )
        headers = ("run", "date", "outcome", "student %", "untaught %", "gain")
        print_grid(Grid("Runs", headers, rows), console)
    else:
        click.echo(f"'{stored.home}' has no run.")
    click.echo(f"Stages: {counts['stored']} stored, {counts['unfinished']} unfinished.")
    for folder in stored.unreadable:
        click.echo(f"The report of '{folder.name}' is damaged; run its recipe again.", err=True)


def _as_object(stored: StoredRuns, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "home": str(stored.home),
        "runs": [_as_row(run) for run in stored.runs],
        "stages": counts,
        "unreadable": [str(folder) for folder in stored.unreadable],
    }


def _as_row(run: StoredRun) -> dict[str, Any]:
    """A run's line in plain values: shares from 0 to 1, the gain their difference."""
    report = run.report
    student, untaught, gain = report.gain
    return {
        "run": run.title,
        "name": report.name,
        "recipe_digest": report.recipe_digest,
        "date": datetime.fromtimestamp(run.written / _NS, UTC).isoformat(timespec="seconds"),
        "outcome": report.outcome,
        "running": run.running,
        "student": student,
        "untaught": untaught,
        "gain": gain,
        "folder": str(run.folder),
    }


def _outcome(run: StoredRun) -> str:
    return "running" if run.running else run.report.outcome


def _local_time(run: StoredRun) -> str:
    return datetime.fromtimestamp(run.written / _NS).strftime("%Y-%m-%d %H:%M")

"""The command ``stillhouse list``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestrator.commands.options import home_and_json, print_json
from orchestrator.formatting import Grid, print_grid
from orchestrator.home.run_finder import StoredRun, find_runs
from orchestrator.home.store import Store
from orchestrator.report.render_tables import gain_cells


@click.command("list")
@home_and_json
def command(home: Path, as_json: bool) -> None:
    """Lists the runs, the newest first, and how many stages are stored or unfinished."""
    stored = find_runs(home)
    stages = Store(home).stages()
    counts = {
        "stored": sum(stage.finished for stage in stages),
        "unfinished": sum(stage.unfinished for stage in stages),
    }
    if as_json:
        runs = [_as_row(run) for run in stored.runs]
        print_json(home=home, runs=runs, stages=counts, unreadable=stored.unreadable)
        return
    rows = tuple(
        (
            run.report.title,
            f"{datetime.fromtimestamp(run.written):%Y-%m-%d %H:%M}",
            "running" if run.running else run.report.outcome,
            *gain_cells(run.report),
        )
        for run in stored.runs
    )
    if rows:
        headers = ("run", "date", "outcome", "student %", "untaught %", "gain")
        print_grid(Grid("Runs", headers, rows))
    else:
        click.echo(f"'{home}' has no run.")
    click.echo(f"Stages: {counts['stored']} stored, {counts['unfinished']} unfinished.")
    for folder in stored.unreadable:
        click.echo(f"The report of '{folder.name}' is damaged; run its recipe again.", err=True)


def _as_row(run: StoredRun) -> dict[str, Any]:
    """A run's line in plain values: shares from 0 to 1, the gain their difference."""
    report = run.report
    student, untaught, gain = report.gain
    return {
        "run": run.report.title,
        "name": report.name,
        "recipe_digest": report.recipe_digest,
        "date": datetime.fromtimestamp(run.written, UTC).isoformat(timespec="seconds"),
        "outcome": report.outcome,
        "running": run.running,
        "student": student,
        "untaught": untaught,
        "gain": gain,
        "folder": run.folder,
    }

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
from orchestrator.home.study_finder import ReportedStudy, find_studies
from orchestrator.report.render_study import best_text
from orchestrator.report.render_tables import gain_cells


@click.command("list")
@click.option("--studies", is_flag=True, help="List the studies of `stillhouse search` instead.")
@home_and_json
def command(home: Path, *, studies: bool, as_json: bool) -> None:
    """Lists the runs, the newest first, and how many stages are stored or unfinished."""
    if studies:
        _list_studies(home, as_json)
        return
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


def _list_studies(home: Path, as_json: bool) -> None:
    stored, unreadable = find_studies(home)
    if as_json:
        print_json(home=home, studies=list(map(_study_row, stored)), unreadable=unreadable)
        return
    rows = tuple(
        (
            study.report.study,
            f"{datetime.fromtimestamp(study.written):%Y-%m-%d %H:%M}",
            "running" if study.running else study.report.outcome,
            f"{len(study.report.trials)} of {study.report.asked}",
            best_text(study.report),
        )
        for study in stored
    )
    if rows:
        headers = ("study", "date", "outcome", "trials", "best, validation")
        print_grid(Grid("Studies", headers, rows, words=5))
    else:
        click.echo(f"'{home}' has no study.")
    for folder in unreadable:
        click.echo(f"The report of '{folder.name}' is damaged; search its recipe again.", err=True)


def _study_row(study: ReportedStudy) -> dict[str, Any]:
    """A study's line in plain values; ``best`` are the scores of the best trial, by the first."""
    report = study.report
    best = report.best_first[:1]
    return {
        "study": report.study,
        "name": report.name,
        "date": datetime.fromtimestamp(study.written, UTC).isoformat(timespec="seconds"),
        "outcome": report.outcome,
        "running": study.running,
        "trials": len(report.trials),
        "asked": report.asked,
        "front": report.front,
        "best": {name: best[0].scores[name] for name in report.scores} if best else None,
        "folder": study.folder,
    }


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

"""The command ``stillhouse report``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands.options import home_and_json, print_json
from orchestrator.home.run_finder import find_run, find_runs
from orchestrator.report.render_tables import print_report
from orchestrator.results.finished_run import read_finished_run
from orchestrator.results.run_report import FORMAT


@click.command("report")
@click.argument("run", metavar="RUN")
@home_and_json
def command(home: Path, run: str, as_json: bool) -> None:
    """Prints the report of RUN: a run's name (the newest of it), NAME@ and the beginning of its
    digest, or latest."""
    found = find_run(run, find_runs(home))
    if as_json:
        print_json(**found.report.to_json())
        return
    try:
        repeats = read_finished_run(found.folder).repeats
    except ValueError:  # Those of another version.
        repeats = None
    print_report(found.report, repeats)
    if found.report.format != FORMAT:
        click.echo(
            "An older version wrote this report, and not all of it can be shown; run the recipe "
            "again to write it."
        )
    if found.running:
        click.echo("It is running now.")
    files = [file for pattern in ("*.md", "*.png") for file in sorted(found.folder.glob(pattern))]
    names = ", ".join(file.name for file in files) or "none yet"
    click.echo(f"Page and pictures ({names}): {found.folder}")

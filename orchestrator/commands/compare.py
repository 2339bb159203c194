"""The command ``stillhouse compare``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands.options import home_and_json, print_json
from orchestrator.formatting import print_grid
from orchestrator.home.run_finder import find_distinct, find_runs
from orchestrator.report.render_tables import comparison_table


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1)
@home_and_json
def command(home: Path, runs: tuple[str, ...], as_json: bool) -> None:
    """Prints runs side by side; each RUN is spelt as for report."""
    reports = [run.report for run in find_distinct(runs, find_runs(home))]
    if as_json:
        print_json(runs=[report.to_json() for report in reports])
        return
    print_grid(comparison_table(reports))

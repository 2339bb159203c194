"""The command ``stillhouse compare``."""

from __future__ import annotations

import json

import click

from orchestrator.cli import Settings


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
@click.pass_obj
def command(settings_of_all: Settings, runs: tuple[str, ...], as_json: bool) -> None:
    """Prints runs side by side; each RUN is spelt as for report."""
    from orchestrator.home.run_finder import find_distinct, find_runs

    found = find_distinct(runs, find_runs(settings_of_all.home))
    reports = [run.report for run in found]
    if as_json:
        click.echo(json.dumps({"runs": [report.to_json() for report in reports]}))
        return
    from orchestrator.commands.console import output
    from orchestrator.report.render_tables import print_comparison

    print_comparison(reports, output())

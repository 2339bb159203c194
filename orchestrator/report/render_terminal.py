"""Prints a report in the terminal; needs no figures but the stored ones, and no framework."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from orchestrator.formatting.table import print_grid
from orchestrator.report.render_summary import repeats_sentence, summary
from orchestrator.report.render_tables import repeats_table, report_tables
from orchestrator.results.repeat_report import RepeatReport
from orchestrator.results.run_report import RunReport


def print_report(report: RunReport, console: Console, repeats: RepeatReport | None = None) -> None:
    """Prints the tables and sentences of one run, and of its ``repeats`` if there are several
    seeds; fits 100 columns."""
    console.print(Text(f"{report.title}: {report.outcome} in {report.seconds:.1f} s"))
    for grid in report_tables(report):
        print_grid(grid, console)
    for sentence in summary(report):
        console.print(Text(sentence))
    if repeats is not None:
        print_grid(repeats_table(repeats), console)
        console.print(Text(repeats_sentence(repeats)))

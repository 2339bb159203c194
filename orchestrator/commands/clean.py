"""The command ``stillhouse clean``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.commands.options import home_option, json_option

if TYPE_CHECKING:
    from orchestrator.home.cleaning import CleaningPlan, Kept, Removable
    from orchestrator.home.disk_usage import DiskUsage


@click.command("clean")
@click.option("--all", "everything", is_flag=True, help="Delete all stages, needed or not.")
@click.option("--dry-run", is_flag=True, help="Only list what can be deleted.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@home_option
@json_option
def command(home: Path, everything: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Lists what is stored and what can be deleted, and deletes that after asking.

    It deletes stages that no run's report names, checkpoints of finished stages, and caches.
    That costs time when they are needed again, nothing else. Runs and their reports are kept.
    """
    from orchestrator.home.cleaning import delete, plan_cleaning
    from orchestrator.home.disk_usage import disk_usage

    if dry_run and yes:
        raise click.UsageError("--dry-run deletes nothing, so --yes has no effect; give one")
    plan = plan_cleaning(home, everything=everything)
    stored = disk_usage(home, plan.removable)
    size = sum(usage.removable_bytes for usage in stored)
    if not as_json:
        _print(home_name=str(home), stored=stored, plan=plan)
        _warn_of_damaged_reports(home)
    gone: list[Removable] = []
    kept: list[Kept] = []
    if plan.removable and not dry_run and (yes or _agreed(len(plan.removable), size)):
        gone, kept = delete(home, plan.removable, everything=everything)
    if as_json:
        click.echo(json.dumps(_as_object(str(home), stored, plan, gone, kept)))
    else:
        _print_end(plan, gone, kept)


def _agreed(count: int, size: int) -> bool:
    """Asks whether to delete.

    Raises:
        RecipeProblems: standard input is not a terminal.
        KeyboardInterrupt: the answer was Ctrl-C, or the end of the input.
    """
    from orchestrator.errors import Problem, RecipeProblems
    from orchestrator.formatting.units import format_bytes

    if not _is_terminal():
        message = (
            f"`clean` would delete {_folders(count)} ({format_bytes(size)}) and asks before it "
            "does, but standard input is not a terminal; give --yes to delete, or --dry-run to "
            "list only"
        )
        raise RecipeProblems([Problem("", message)])
    try:
        return click.confirm(f"Delete {_folders(count)} ({format_bytes(size)})?", err=True)
    except click.Abort:
        raise KeyboardInterrupt from None


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _print(home_name: str, stored: Sequence[DiskUsage], plan: CleaningPlan) -> None:
    from orchestrator.commands.console import output
    from orchestrator.formatting.table import Grid, print_grid
    from orchestrator.formatting.units import format_bytes
    from orchestrator.home.disk_usage import LABELS

    rows = tuple(
        (
            LABELS[usage.kind],
            format_bytes(usage.bytes),
            f"{format_bytes(usage.removable_bytes)} in {usage.removable}"
            if usage.removable
            else "-",
        )
        for usage in stored
    )
    headers = ("what", "stored", "removable (folders)")
    print_grid(Grid(f"What is stored in {home_name}", headers, rows), output())
    if any(usage.kind == "bank" for usage in stored):
        click.echo("`stillhouse bank` lists the bank, and `stillhouse bank clear` deletes it.")
    for each in plan.kept:
        click.echo(f"Kept: '{each.path}' because {each.reason}.")


def _warn_of_damaged_reports(home: Path) -> None:
    from orchestrator.home.run_finder import find_runs

    for folder in find_runs(home).unreadable:
        click.echo(
            f"The report of '{folder.name}' is damaged, so its stages are not kept; to keep "
            "them, run its recipe again first.",
            err=True,
        )


def _print_end(plan: CleaningPlan, gone: Sequence[Removable], kept: Sequence[Kept]) -> None:
    for each in kept:
        click.echo(f"Kept: '{each.path}' because {each.reason}.")
    if gone:
        click.echo(f"Deleted {_folders(len(gone))}.")
    elif plan.removable:
        click.echo("Nothing was deleted.")
    else:
        click.echo("There is nothing to delete.")


def _folders(count: int) -> str:
    return "1 folder" if count == 1 else f"{count} folders"


def _as_object(
    home: str,
    stored: Sequence[DiskUsage],
    plan: CleaningPlan,
    gone: Sequence[Removable],
    kept: Sequence[Kept],
) -> dict[str, Any]:
    return {
        "home": home,
        "stored": [vars(usage) for usage in stored],
        "removable": [
            {"kind": item.kind, "path": str(item.path), "reason": item.reason}
            for item in plan.removable
        ],
        "kept": [{"path": str(each.path), "reason": each.reason} for each in (*plan.kept, *kept)],
        "deleted": [str(item.path) for item in gone],
    }

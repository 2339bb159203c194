"""The command ``stillhouse clean``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.commands.options import home_and_json, print_json
from orchestrator.errors import RecipeProblems
from orchestrator.formatting import ABSENT, Grid, counted, format_bytes, print_grid
from orchestrator.home import cleaning
from orchestrator.home.run_finder import find_runs


@click.command("clean")
@click.option("--all", "everything", is_flag=True, help="Delete all stages, needed or not.")
@click.option("--dry-run", is_flag=True, help="Only list what can be deleted.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@home_and_json
def command(home: Path, everything: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Lists what is stored and what can be deleted, and deletes that after asking.

    It deletes stages that no run's report names, checkpoints of finished stages, and caches.
    That costs time when they are needed again, nothing else. Runs and their reports are kept.
    """
    if dry_run and yes:
        raise click.UsageError("--dry-run deletes nothing, so --yes has no effect; give one")
    plan = cleaning.plan_cleaning(home, everything=everything)
    stored = cleaning.disk_usage(home, plan.removable)
    if not as_json:
        _print(home, stored, plan.kept)
    gone: list[cleaning.Removable] = []
    kept: list[cleaning.Kept] = []
    size = sum(usage.removable_bytes for usage in stored)
    if plan.removable and not dry_run and (yes or _confirm(len(plan.removable), size)):
        gone, kept = cleaning.delete(home, plan.removable, everything=everything)
    if as_json:
        print_json(
            home=home,
            stored=stored,
            removable=[
                {"kind": item.kind, "path": item.path, "reason": item.reason}
                for item in plan.removable
            ],
            kept=[*plan.kept, *kept],
            deleted=[item.path for item in gone],
        )
        return
    _print_kept(kept)
    if gone:
        click.echo(f"Deleted {counted(len(gone), 'folder')}.")
    else:
        click.echo("Nothing was deleted." if plan.removable else "There is nothing to delete.")


def _confirm(count: int, size: int) -> bool:
    """Asks whether to delete.

    Raises:
        RecipeProblems: standard input is not a terminal.
        KeyboardInterrupt: the answer was Ctrl-C, or the end of the input.
    """
    what = f"{counted(count, 'folder')} ({format_bytes(size)})"
    if not _is_terminal():
        raise RecipeProblems.of(
            f"`clean` would delete {what} and asks before it does, but standard input is not a "
            "terminal; give --yes to delete, or --dry-run to list only"
        )
    try:
        return click.confirm(f"Delete {what}?", err=True)
    except click.Abort:
        raise KeyboardInterrupt from None


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _print(home: Path, stored: Sequence[cleaning.DiskUsage], kept: Sequence[cleaning.Kept]) -> None:
    rows = []
    for usage in stored:
        removable = f"{format_bytes(usage.removable_bytes)} in {usage.removable}"
        cells = (format_bytes(usage.bytes), removable if usage.removable else ABSENT)
        rows.append((cleaning.LABELS[usage.kind], *cells))
    headers = ("what", "stored", "removable (folders)")
    print_grid(Grid(f"What is stored in {home}", headers, tuple(rows)))
    if any(usage.kind == "bank" for usage in stored):
        click.echo("`stillhouse bank` lists the bank, and `stillhouse bank clear` deletes it.")
    _print_kept(kept)
    for folder in find_runs(home).unreadable:
        click.echo(
            f"The report of '{folder.name}' is damaged, so its stages are not kept; to keep "
            "them, run its recipe again first.",
            err=True,
        )


def _print_kept(kept: Sequence[cleaning.Kept]) -> None:
    for each in kept:
        click.echo(f"Kept: '{each.path}' because {each.reason}.")

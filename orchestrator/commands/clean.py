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
    from orchestrator.home.cleaning import Item, Judgement, Kept
    from orchestrator.home.disk_usage import Holding


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
    from orchestrator.home.cleaning import delete, judge
    from orchestrator.home.disk_usage import holdings

    if dry_run and yes:
        raise click.UsageError("--dry-run deletes nothing, so --yes has no effect; give one")
    judgement = judge(home, everything=everything)
    stored = holdings(home, judgement.removable)
    size = sum(holding.going_bytes for holding in stored)
    if not as_json:
        _print(home_name=str(home), stored=stored, judgement=judgement)
        _warn_of_damaged_reports(home)
    gone: list[Item] = []
    kept: list[Kept] = []
    if judgement.removable and not dry_run and (yes or _agreed(len(judgement.removable), size)):
        gone, kept = delete(home, judgement.removable, everything=everything)
    if as_json:
        click.echo(json.dumps(_as_object(str(home), stored, judgement, gone, kept)))
    else:
        _print_end(judgement, gone, kept)


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


def _print(home_name: str, stored: Sequence[Holding], judgement: Judgement) -> None:
    from orchestrator.commands.console import output
    from orchestrator.formatting.table import Grid, print_grid
    from orchestrator.formatting.units import format_bytes
    from orchestrator.home.disk_usage import WORDS

    rows = tuple(
        (
            WORDS[holding.kind],
            format_bytes(holding.bytes),
            f"{format_bytes(holding.going_bytes)} in {holding.removable}"
            if holding.removable
            else "-",
        )
        for holding in stored
    )
    headers = ("what", "stored", "removable (folders)")
    print_grid(Grid(f"What is stored in {home_name}", headers, rows), output())
    if any(holding.kind == "bank" for holding in stored):
        click.echo("`stillhouse bank` lists the bank, and `stillhouse bank clear` deletes it.")
    for each in judgement.kept:
        click.echo(f"Kept: '{each.path}' because {each.why}.")


def _warn_of_damaged_reports(home: Path) -> None:
    from orchestrator.home.run_finder import find_runs

    for folder in find_runs(home).unreadable:
        click.echo(
            f"The report of '{folder.name}' is damaged, so its stages are not kept; to keep "
            "them, run its recipe again first.",
            err=True,
        )


def _print_end(judgement: Judgement, gone: Sequence[Item], kept: Sequence[Kept]) -> None:
    for each in kept:
        click.echo(f"Kept: '{each.path}' because {each.why}.")
    if gone:
        click.echo(f"Deleted {_folders(len(gone))}.")
    elif judgement.removable:
        click.echo("Nothing was deleted.")
    else:
        click.echo("There is nothing to delete.")


def _folders(count: int) -> str:
    return "1 folder" if count == 1 else f"{count} folders"


def _as_object(
    home: str,
    stored: Sequence[Holding],
    judgement: Judgement,
    gone: Sequence[Item],
    kept: Sequence[Kept],
) -> dict[str, Any]:
    return {
        "home": home,
        "stored": [vars(holding) for holding in stored],
        "removable": [
            {"kind": item.kind, "path": str(item.path), "why": item.why}
            for item in judgement.removable
        ],
        "kept": [{"path": str(each.path), "why": each.why} for each in (*judgement.kept, *kept)],
        "deleted": [str(item.path) for item in gone],
    }

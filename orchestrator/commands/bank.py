"""The command ``stillhouse bank``."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestrator.commands.options import home_and_json, print_json
from orchestrator.errors import RecipeProblems
from orchestrator.exit_codes import INTERNAL_ERROR
from orchestrator.formatting import Grid, counted, format_bytes, print_grid
from teachers.bank import inventory
from teachers.bank.inventory import StoredShelf

_teacher = click.option(
    "--teacher",
    "word",
    metavar="NAME",
    help="Only of this teacher, or of the shelf with this digest.",
)


@click.group("bank", invoke_without_command=True)
@home_and_json
@click.pass_context
def command(context: click.Context, home: Path, as_json: bool) -> None:
    """Manages the teachers' stored answers: lists, measures, verifies, clears.

    Without a subcommand it lists. Deleting the bank costs time, nothing else.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_command, home=home, as_json=as_json)
    elif as_json:
        raise click.UsageError("--json goes after the subcommand")


@command.command("list")
@home_and_json
def list_command(home: Path, as_json: bool) -> None:
    """Lists the shelves: teacher, number of views, size, date of last use."""
    shelves = _shelves(home, None)
    total = sum(shelf.bytes for shelf in shelves)
    if as_json:
        print_json(home=home, bytes=total, shelves=[_row(shelf) for shelf in shelves])
    elif shelves:
        _print(shelves)
        click.echo(f"In all: {format_bytes(total)}")
    else:
        click.echo(f"The bank in '{home}' is empty.")


@command.command("size")
@home_and_json
def size_command(home: Path, as_json: bool) -> None:
    """Prints the size of the bank, in all and of each teacher's answers."""
    of_teachers: Counter[str] = Counter()
    for shelf in _shelves(home, None):
        of_teachers[shelf.teacher] += shelf.bytes
    total = of_teachers.total()
    if as_json:
        print_json(bytes=total, teachers=of_teachers)
        return
    for teacher, size in of_teachers.items():
        click.echo(f"{teacher}: {format_bytes(size)}")
    click.echo(f"In all: {format_bytes(total)}")


@command.command("verify")
@_teacher
@home_and_json
@click.pass_context
def verify_command(context: click.Context, home: Path, word: str | None, as_json: bool) -> None:
    """Reads everything and compares it with its checksums; exit code 1 if something is corrupt.

    What is corrupt needs no repair: it is never read, and computed again when it is needed.
    """
    verified = [(shelf, inventory.verify(shelf)) for shelf in _shelves(home, word)]
    is_corrupt = any(each.corrupt for _, each in verified)
    if as_json:
        print_json(
            shelves=[
                {"teacher": shelf.teacher, "digest": shelf.digest, **vars(each)}
                for shelf, each in verified
            ]
        )
    else:
        for shelf, each in verified:
            for one in each.corrupt:
                what = f"{one.answers:,} answers" if one.answers else "all answers"
                click.echo(f"Corrupt: {what} in '{one.path}': {one.why}.")
            intact = f"{each.answers:,} answers in {counted(each.files, 'file')}"
            click.echo(f"{_name(shelf)}: {intact} match their checksums.")
        if is_corrupt:
            click.echo("What is corrupt is never read; it is computed again when it is needed.")
        elif not verified:
            click.echo("The bank is empty.")
    if is_corrupt:
        context.exit(INTERNAL_ERROR)


@command.command("clear")
@_teacher
@home_and_json
def clear_command(home: Path, word: str | None, as_json: bool) -> None:
    """Deletes stored answers, all or one teacher's, without asking; prints the space freed."""
    freed = inventory.sweep(home / "bank") if word is None else 0
    cleared: list[StoredShelf] = []
    held: list[StoredShelf] = []
    for shelf in _shelves(home, word):
        (cleared if inventory.clear(shelf) else held).append(shelf)
    freed += sum(shelf.bytes for shelf in cleared)
    if as_json:
        gone, kept = ([shelf.digest for shelf in each] for each in (cleared, held))
        print_json(cleared=gone, held=kept, freed_bytes=freed)
        return
    for shelf in held:
        click.echo(f"Kept: {_name(shelf)}, because a process is writing it.")
    shelves = counted(len(cleared), "shelf", "shelves")
    click.echo(f"Deleted {shelves}, which frees {format_bytes(freed)}.")


def _shelves(home: Path, word: str | None) -> list[StoredShelf]:
    """The shelves of the bank, or those whose teacher or digest is ``word``.

    Raises:
        RecipeProblems: there are none.
    """
    shelves = inventory.stored_shelves(home / "bank")
    if word is None:
        return shelves
    if found := inventory.matching(shelves, word):
        return found
    stored = ", ".join(dict.fromkeys(f"'{shelf.teacher}'" for shelf in shelves)) or "none"
    raise RecipeProblems.of(
        f"--teacher is '{word}', but the bank in '{home}' has no shelf of that name or digest; "
        f"it has answers of: {stored}"
    )


def _print(shelves: list[StoredShelf]) -> None:
    rows = tuple(
        (
            shelf.teacher,
            shelf.digest[:8],
            f"{_model(shelf)}, {_inference(shelf)}",
            str(len(shelf.views)),
            f"{shelf.answers:,}",
            format_bytes(shelf.bytes),
            "-" if shelf.used is None else f"{datetime.fromtimestamp(shelf.used):%Y-%m-%d}",
        )
        for shelf in shelves
    )
    headers = ("teacher", "shelf", "model and inference", "views", "answers", "size", "used")
    print_grid(Grid("The bank", headers, rows, words=3))


def _name(shelf: StoredShelf) -> str:
    """The teacher, and so many digits of the digest as name the shelf."""
    return f"{shelf.teacher} ({shelf.digest[:8]})"


def _model(shelf: StoredShelf) -> str:
    model = shelf.about.get("model")
    return str(model.get("kind", "?")) if isinstance(model, dict) else "?"


def _inference(shelf: StoredShelf) -> str:
    """How the teacher is run: the precision in the recipe, and the one chosen."""
    configured = str(shelf.about.get("precision", "?"))
    chosen = str(shelf.inference.get("precision", "-"))
    precision = chosen if configured == chosen else f"{configured}: {chosen}"
    ways = [
        name.replace("_", "-")
        for name in ("channels_last", "folded", "compiled")
        if shelf.inference.get(name) is True
    ]
    return " ".join([precision, *ways])


def _row(shelf: StoredShelf) -> dict[str, Any]:
    used = None if shelf.used is None else datetime.fromtimestamp(shelf.used, UTC)
    return {
        "teacher": shelf.teacher,
        "digest": shelf.digest,
        "model": _model(shelf),
        "precision": shelf.about.get("precision"),
        "inference": shelf.inference,
        "views": len(shelf.views),
        "answers": shelf.answers,
        "bytes": shelf.bytes,
        "used": None if used is None else used.isoformat(timespec="seconds"),
        "folder": shelf.folder,
    }

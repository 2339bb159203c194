"""The command line: its commands by name, each in a module that is imported when it is used.

``stillhouse`` answers ``--help`` without importing what its commands need.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from orchestrator.commands.options import home_option

COMMANDS = {
    "init": "Writes a commented recipe to start from.",
    "check": "Checks a recipe and prints its plan; starts nothing.",
    "run": "Runs a recipe, except for what is stored; prints the report.",
    "search": "Explores a recipe's space; prints the best students.",
    "list": "Lists the runs, and the number of stored stages.",
    "report": "Prints the report of an earlier run.",
    "compare": "Prints several runs side by side.",
    "bank": "Lists, verifies or clears the teachers' stored answers.",
    "clean": "Lists what is stored; deletes what is no longer needed.",
}
"""Each command's line in the help; the module of that name has the command."""


class Commands(click.Group):
    """A group that imports a command when it is used, and ends on every error by one rule."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"orchestrator.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and names the nearest command for a misspelt one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from orchestrator.recipe.message_text import suggest

            ctx.fail(f"'{name}' is not a command; {suggest(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; an error that is not a defect ends it with sentences and an exit code."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            from orchestrator.exit_codes import ending_of

            ending = ending_of(error)
            if ending is None:
                raise
            code, sentences = ending
            click.echo(sentences, err=True)
            ctx.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@home_option
def main(home: Path) -> None:
    """Distils several teachers into one small student, from one recipe."""

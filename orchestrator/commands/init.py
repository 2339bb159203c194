"""The command ``stillhouse init``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("recipe.yaml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(file: Path, force: bool) -> None:
    """Writes a commented recipe to FILE (default: recipe.yaml)."""
    from orchestrator.recipe.init import write_recipe

    write_recipe(file, force=force)
    click.echo(f"wrote {file}; next: stillhouse check {file}, then stillhouse run {file}")

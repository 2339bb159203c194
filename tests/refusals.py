"""The command line with the small recipe and something wrong with it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from orchestrator.cli import main
from tests import small
from tests.running import IN_PROCESS


def invoke(folder: Path, command: str, *settings: str, home: Path | None = None) -> Result:
    recipe = str(small.written(folder))
    places = ["--home", str(home or folder / "home")]
    return CliRunner().invoke(main, [*places, command, recipe, *IN_PROCESS, *settings])


def refused(folder: Path, *settings: str, home: Path | None = None) -> str:
    """What a run says that is refused before anything begins."""
    result = invoke(folder, "run", *settings, home=home)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "begins" not in result.stderr
    assert not list((folder / "home" / "stages").glob("*"))
    return result.stderr.rstrip("\n")

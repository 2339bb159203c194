"""Runs the command line in this process, or in one that may import no framework."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from orchestrator import cli

ROOT = Path(__file__).parents[2]
_WITHOUT_FRAMEWORKS = """
import sys
from orchestrator.cli import main
try:
    main()
finally:
    heavy = {'torch', 'torchvision', 'ray', 'mlflow', 'deepspeed', 'optuna', 'matplotlib'}
    assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def stillhouse(home: Path, *arguments: str, typed: str = "") -> Result:
    """The command in this process; what is ``typed`` stands on its standard input."""
    return CliRunner().invoke(cli.main, ["--home", str(home), *arguments], input=typed)


def seconds_without_frameworks(home: Path, *arguments: str, exit_code: int = 0) -> float:
    """How long the command computes in a process of its own, which may import no framework.

    It is processor time, for the command waits for nothing, and the machine may be busy with
    other things.
    """
    command = [sys.executable, "-c", _WITHOUT_FRAMEWORKS, "--home", str(home), *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

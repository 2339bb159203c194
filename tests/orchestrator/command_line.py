"""Runs the command line in this process, or in one that may import no framework."""

from __future__ import annotations

import subprocess
import sys
import time
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


def seconds_without_frameworks(home: Path, *arguments: str) -> float:
    """How long the command takes in a process of its own, the fastest of three.

    The machine may be busy with other things; the first that takes under a second will do.
    """
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        command = [sys.executable, "-c", _WITHOUT_FRAMEWORKS, "--home", str(home), *arguments]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
        seconds.append(time.monotonic() - began)
        if seconds[-1] < 1:
            break
    return min(seconds)

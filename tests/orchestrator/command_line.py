"""Runs the command line in this process, or in one that may import no framework."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import cache
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


def answers_sooner_than_torch_is_imported(home: Path, *arguments: str, exit_code: int = 0) -> bool:
    """Whether the command, which may import no framework, takes less processor time than torch's
    import alone: a comparison that holds on a slow or busy machine too."""
    command = ["-c", _WITHOUT_FRAMEWORKS, "--home", str(home), *arguments]
    return _processor_seconds(command, exit_code) < _seconds_of_torch()


@cache
def _seconds_of_torch() -> float:
    return _processor_seconds(["-c", "import torch"], exit_code=0)


def _processor_seconds(arguments: list[str], exit_code: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

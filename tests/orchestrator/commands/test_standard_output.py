"""Standard output is for what a command prints itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.commands.standard_output import work_prints_to_standard_error
from tests import small

ROOT = Path(__file__).parents[3]


def test_prints_of_any_kind_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with work_prints_to_standard_error():
        print("one")
        subprocess.run([sys.executable, "-c", "print('two')"], check=True)
        os.write(1, b"three\n")
    print("after")
    captured = capfd.readouterr()
    assert captured.out == "before\nafter\n"
    assert captured.err == "one\ntwo\nthree\n"


def test_what_custom_code_prints_is_not_in_the_json(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import atexit, os\nfrom torch import nn\nprint('at the top')\nos.system('echo a shell')\n"
        "atexit.register(print, 'at the end')\n"
        "def make(input_shape, classes):\n    print('inside')\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    small.written(tmp_path)
    result = subprocess.run(
        [
            sys.executable, "-m", "stillhouse", "check", "recipe.yaml", "--deep", "--json",
            "student.objective.near=null", "student.model={kind: custom, source: 'net.py:make'}",
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["outcome"] == "done"
    for each in ("at the top", "a shell", "inside", "at the end"):
        assert each in result.stderr

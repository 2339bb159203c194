"""One of Ray's own processes ends: its roles are lost, and the next ones run on another Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["raylet", "gcs_server"])
def test_another_ray_is_started(tmp_path: Path, victim: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.cluster.lost_ray", str(tmp_path), victim],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    reason = f"Ray's own process '{victim}' has ended, and all roles with it"
    assert seen == {
        "waiting": f"role 'waiting' is gone: {reason}",
        "responds": False,
        "again": 6,
        "starts": 2,
        "left": [],
        "sessions": 0,
        "children": 0,
    }

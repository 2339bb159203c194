"""Times what a role's process does before its first work: it imports what it needs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import students

_LONGEST = 300.0
_NEEDS = {"torch": ("students.student_rank",), "deepspeed": ("students.student_rank", "deepspeed")}
"""What a rank imports, by the kind of its engine."""


def start_seconds(engine: str) -> float:
    """Seconds in which a fresh process imports what a rank with such an ``engine`` needs.

    Raises:
        subprocess.CalledProcessError: it cannot be imported there.
        subprocess.TimeoutExpired: that takes longer than five minutes.
    """
    code = f"import {', '.join(_NEEDS[engine])}"
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code],
        # What is given by `-c` finds its modules in the working directory first.
        cwd=Path(students.__file__).parents[1],
        check=True,
        capture_output=True,
        timeout=_LONGEST,
    )
    return time.monotonic() - began

"""Times what a role's process does before its first work: it imports what it needs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import students
from cluster.errors import ClusterError

_LONGEST = 300.0
_NEEDS = {
    "torch": ("students.training.student_rank",),
    "deepspeed": ("students.training.student_rank", "deepspeed"),
}
"""What a rank imports, by the kind of its engine."""


def start_seconds(engine: str) -> float:
    """Seconds in which a fresh process imports what a rank with such an ``engine`` needs.

    Raises:
        ClusterError: that fails, or takes longer than five minutes.
    """
    code = f"import {', '.join(_NEEDS[engine])}"
    began = time.monotonic()
    try:
        subprocess.run(
            [sys.executable, "-c", code],
            # What is given by `-c` finds its modules in the working directory first.
            cwd=Path(students.__file__).parents[1],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().rpartition("\n")[2]
        raise ClusterError(f"a rank's process cannot `{code}` ({said}); mend that first") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"a rank's process cannot `{code}` within {_LONGEST:g} s; measure on a quieter machine"
        ) from error
    return time.monotonic() - began

"""Fault injection: kills the run's processes at a named step, to prove that resuming works."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<stage>[\w.-]+)@(?P<step>\d+)=kill")


@dataclass(frozen=True)
class Fault:
    """Kills process group ``group`` when ``stage`` is about to compute ``step``."""

    stage: str
    step: int
    group: int

    def trigger(self, step: int) -> None:
        """Kills the group if this is the step; processes outside of it live on."""
        if step == self.step:
            os.killpg(self.group, signal.SIGKILL)


def parse_fault(text: str, group: int) -> Fault:
    """Reads ``student@37=kill``.

    Raises:
        ValueError: it has another form.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"a fault has the form STAGE@STEP=kill, not {text!r}")
    return Fault(match["stage"], int(match["step"]), group)

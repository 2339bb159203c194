"""Faults on purpose: ends the driver's processes at a named step, to prove that resuming works."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass

_SPELLING = re.compile(r"(?P<stage>[\w.-]+)@(?P<step>\d+)=kill")


@dataclass(frozen=True)
class Fault:
    """Kills process group ``group`` when ``stage`` is about to compute ``step``."""

    stage: str
    step: int
    group: int

    def strike(self, step: int) -> None:
        """Kills the group if this is the step; a process outside of it lives on."""
        if step == self.step:
            os.killpg(self.group, signal.SIGKILL)


def parse_fault(spelled: str, group: int) -> Fault:
    """Reads ``student@37=kill``.

    Raises:
        ValueError: it is spelled in another way.
    """
    match = _SPELLING.fullmatch(spelled)
    if match is None:
        raise ValueError(f"a fault is spelled STAGE@STEP=kill, not {spelled!r}")
    return Fault(match["stage"], int(match["step"]), group)

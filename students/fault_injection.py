"""Faults for tests of recovery: what is to happen to which role at which step.

A plan is a JSON file, whose path stands in the environment so that every process of a run finds it:
a list of ``{"role": "student", "rank": 1, "step": 37, "kind": "kill"}``. ``role`` is the student's
path in the recipe, or ``teacher NAME``, whose steps are the questions that it has answered, or the
name of a choice, which is to be decided at step 0 and is decided at step 1.
Each fault happens once, in whatever process comes to its step first.

=============  =================================================================================
kind           what happens
=============  =================================================================================
``kill``       the process ends at once
``kill_run``   the driver's process group ends at once; ``PLAN.group`` holds its number
``stop``       the process is stopped, and never continued
``hang``       the role waits for ever
``slow``       the role waits two seconds
``raise``      a RuntimeError
``memory``     a MemoryError
``interrupt``  a KeyboardInterrupt, as by the user, where roles share the driver's process
=============  =================================================================================
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

VARIABLE = "STILLHOUSE_FAULT_PLAN"


def planned_faults(role: str, rank: int = 0) -> Callable[[int], None] | None:
    """What to call before each step of a role; none where no fault is planned for it."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return None
    plan = json.loads(Path(path).read_bytes())
    own = {
        fault["step"]: (number, fault["kind"])
        for number, fault in enumerate(plan)
        if (fault["role"], fault.get("rank", 0)) == (role, rank)
    }

    def before_step(step: int) -> None:
        if step in own:
            number, kind = own[step]
            if _is_first(Path(f"{path}.{number}")):
                _happen(kind, Path(f"{path}.group"))

    return before_step if own else None


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _happen(kind: str, group: Path) -> None:
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_run":
            os.killpg(int(group.read_text()), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "hang":
            threading.Event().wait()
        case "slow":
            time.sleep(2)
        case "raise":
            raise RuntimeError("a fault was planned here")
        case "memory":
            raise MemoryError("a fault was planned here")
        case "interrupt":
            raise KeyboardInterrupt
        case _:
            raise ValueError(f"no fault is called {kind!r}")

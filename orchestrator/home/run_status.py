"""Marks a run while it is under way, so that one that was killed or failed is remembered too.

HOME/runs/NAME@DIGEST/report.json   says ``interrupted`` from the beginning, until it says more
HOME/runs/NAME@DIGEST/.lock         held, shared, by every process that has the run under way
HOME/runs/.lock                     held for moments: while a run marks itself, and while a clean
                                    sets stages aside. So a clean sees every run that could want
                                    a stage, or the run sees that the stage is gone.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from orchestrator.home.locks import is_held
from orchestrator.results.finished_run import REPORT, write_json
from orchestrator.results.run_report import Outcome, RunReport, StageReport

if TYPE_CHECKING:
    from orchestrator.home.store import Store
    from orchestrator.planning.plan import Plan

_LOCK = ".lock"


@contextmanager
def marked(plan: Plan, store: Store) -> Iterator[None]:
    """While open, the run of ``plan`` is under way; ends as interrupted, failed, or as reported.

    Raises:
        OSError: the mark cannot be written.
    """
    began = time.monotonic()
    folder = store.runs / plan.run_name
    with marking(store.runs):
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / _LOCK).open("wb")
        fcntl.flock(held, fcntl.LOCK_SH)
    with held:
        _mark(plan, folder, "interrupted", 0.0)
        try:
            yield
        except BaseException as error:
            outcome: Outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            # The reason of the failure, as a full disk, is what the user is to hear of.
            with suppress(OSError):
                _mark(plan, folder, outcome, time.monotonic() - began)
            raise


@contextmanager
def marking(runs: Path) -> Iterator[None]:
    """While open, no run in the folder ``runs`` begins. Freed by the end of its holder."""
    runs.mkdir(parents=True, exist_ok=True)
    with FileLock(runs / _LOCK):
        yield


def is_under_way(folder: Path) -> bool:
    """Whether some process has the run in ``folder`` under way."""
    return is_held(folder / _LOCK)


def _mark(plan: Plan, folder: Path, outcome: Outcome, seconds: float) -> None:
    """Writes what is known of a run that has no figures yet.

    A run that was done stays so: its digest names the same stages, so its figures hold.
    """
    if _is_done(folder / REPORT):
        return
    report = RunReport(
        name=plan.recipe.name,
        recipe_digest=plan.digest,
        outcome=outcome,
        seconds=seconds,
        student=None,
        stages=tuple(StageReport(stage.title, stage.digest, False, 0.0) for stage in plan.stages),
    )
    write_json(folder / REPORT, report.to_json())


def _is_done(report: Path) -> bool:
    try:
        return RunReport.from_json(report.read_bytes()).outcome in ("done", "degraded")
    except (OSError, ValueError):
        return False

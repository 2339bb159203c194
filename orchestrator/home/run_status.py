"""Records a run while it is running, so that one that is killed or fails is listed too.

HOME/runs/NAME@DIGEST/report.json   says ``interrupted`` from the beginning, until it says more
HOME/runs/NAME@DIGEST/.lock         held, shared, by every process that runs it
HOME/runs/.lock                     held for moments: while a run is recorded, and while a clean
                                    sets stages aside. So a clean sees every run that could need
                                    a stage, or the run sees that the stage is gone.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from orchestrator.results.finished_run import read_report, write_report
from orchestrator.results.run_report import FORMAT, Outcome, RunReport, StageReport

if TYPE_CHECKING:
    from orchestrator.home.store import Store
    from orchestrator.planning.graph import Graph

LOCK = ".lock"


@contextmanager
def record_running(graph: Graph, store: Store) -> Iterator[Callable[[Graph], None]]:
    """Records the run of ``graph`` as running; on leaving as interrupted, failed, or as reported.
    Gives what records the stages of the same graph, once it has grown.

    Raises:
        OSError: it cannot be recorded.
    """
    began = time.monotonic()
    folder = store.runs / graph.run_name
    with runs_lock(store.runs):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_SH)
    with lock:
        _record(graph, folder, "interrupted", 0.0)
        try:
            yield lambda grown: _record(grown, folder, "interrupted", time.monotonic() - began)
        except BaseException as error:
            outcome: Outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            # What the user must see is why the run failed, as a full disk.
            with suppress(OSError):
                _record(store.grown(graph), folder, outcome, time.monotonic() - began)
            raise


def runs_lock(runs: Path) -> FileLock:
    """While held, no run in the folder ``runs`` begins; released when its holder ends."""
    runs.mkdir(parents=True, exist_ok=True)
    return FileLock(runs / LOCK)


def _record(graph: Graph, folder: Path, outcome: Outcome, seconds: float) -> None:
    """Writes the report of a run that has no figures yet.

    A run that was done stays so: its digest names the same stages, so its figures hold.
    """
    with suppress(OSError, ValueError):
        before = read_report(folder)
        if before.outcome in ("done", "degraded"):
            return
    report = RunReport(
        name=graph.name,
        recipe_digest=graph.digest,
        outcome=outcome,
        seconds=seconds,
        student=None,
        stages=tuple(StageReport(node.title, node.digest, False, 0.0) for node in graph.nodes),
        format=FORMAT,
    )
    write_report(folder, report)

"""A tracker in memory that records every request, and can be down."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.tracking.tracker import Cursor, Metric, OpenRun, RunSpec, Status


class MemoryTracker:
    """``down`` makes each request fail; ``down_after`` that many logs is the tracker down."""

    def __init__(self) -> None:
        self.runs: dict[str, RunSpec] = {}
        self.cursors: dict[str, Cursor] = {}
        self.statuses: dict[str, Status] = {}
        self.rows: list[tuple[str, Metric]] = []
        self.files: list[tuple[str, str, str]] = []
        self.students: list[str] = []
        self.requests = threading.Semaphore(0)
        self.down = threading.Event()
        self.down_after: int | None = None

    def open(self, spec: RunSpec, parent: str | None) -> OpenRun:
        self._reach()
        run_id = f"{parent}/{spec.identity[1]}"
        self.runs[run_id] = spec
        status = self.statuses.setdefault(run_id, "RUNNING")
        return OpenRun(run_id, self.cursors.get(run_id, Cursor()), status)

    def log(self, run_id: str, metrics: Sequence[Metric], cursor: Cursor) -> None:
        self._reach()
        assert len(metrics) <= 1000
        self.rows += [(run_id, metric) for metric in metrics]
        if self.down_after is not None:
            self.down_after -= 1
            if self.down_after == 0:
                self.down.set()
                raise ConnectionError("gone before the cursor was stored")
        self.cursors[run_id] = cursor

    def log_artifact(self, run_id: str, path: Path) -> None:
        self._reach()
        self.files.append((run_id, path.name, path.read_text()))

    def log_student(self, run_id: str, network: Any, example: Any, weights_sha256: str) -> None:
        self._reach()
        self.students.append(weights_sha256)

    def set_status(self, run_id: str, status: Status) -> None:
        self._reach()
        self.statuses[run_id] = status

    def run_of(self, name: str) -> str:
        """The id of the one run called ``name``."""
        [run_id] = [run_id for run_id, spec in self.runs.items() if spec.name == name]
        return run_id

    def points(self, name: str) -> list[tuple[str, int, float]]:
        """Key, step and value of each metric of the stages called ``name``."""
        return [
            (metric.key, metric.step, metric.value)
            for run_id, metric in self.rows
            if run_id.endswith(f":{name}")
        ]

    def _reach(self) -> None:
        self.requests.release()
        if self.down.is_set():
            raise ConnectionError("no route to http://ann:secret@host/")

"""Brings what is wanted to the tracker, in passes that may fail anywhere and begin again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.tracking.tracker import Cursor, Metric, RunSpec, Status, Tracker, redacted
from orchestrator.tracking.windows import Told, Windows
from students.storage.step_log import Segment, read_committed

if TYPE_CHECKING:
    from torch import Tensor, nn

_BATCH = 900  # MLflow takes 1000 metrics at a time.


@dataclass(frozen=True)
class StageRun:
    """A stage as trackers see it: its run nests in ``under``'s, or in the recipe's own."""

    name: str
    digest: str
    folder: Path
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    under: str | None = None

    def spec(self) -> RunSpec:
        """The run at the tracker."""
        identity = ("stillhouse.stage", f"{self.digest}:{self.name}")
        return RunSpec(self.name, identity, self.params, self.tags)


@dataclass(frozen=True)
class Notice:
    """What the executor last said of a stage."""

    segments: tuple[Segment, ...] = ()
    status: Status | None = None


@dataclass(frozen=True)
class Student:
    """The network that the run is about; see ``Tracker.log_student``."""

    network: nn.Module
    example: Tensor
    weights_sha256: str


@dataclass
class Wanted:
    """What shall be at the tracker. Written by the executor, read by the thread, under a lock."""

    stages: dict[str, StageRun] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    scores: tuple[Metric, ...] = ()
    student: Student | None = None
    status: Status = "RUNNING"

    def copy(self) -> Wanted:
        """What is wanted now."""
        return Wanted(
            dict(self.stages), dict(self.notices), dict(self.files), self.scores, self.student,
            self.status,
        )  # fmt: skip


@dataclass
class _Sent:
    """Where the thread is with one stage."""

    run_id: str
    status: Status
    windows: Windows
    segments: tuple[Segment, ...] = ()


class Sender:
    """Compares what is wanted with what was sent, and sends the rest."""

    def __init__(self, connect: Callable[[], Tracker], run: RunSpec, every: int) -> None:
        self._connect = connect
        self._run = run
        self._every = every
        self._forget()

    def _forget(self) -> None:
        self._tracker: Tracker | None = None
        self._run_id = ""
        self._scored = False
        self._status: Status | None = None
        self._stages: dict[str, _Sent] = {}
        self._files: dict[Path, tuple[str, int]] = {}
        self._student = ""

    def send(self, wanted: Wanted, *, over: bool) -> tuple[str, ...]:
        """One pass; a sentence for each thing that could not be sent.

        ``over``: no stage trains any more, so that the student may be exported.
        """
        try:
            tracker = self._connected()
        except Exception as error:  # noqa: BLE001 - training never feels the tracker
            self._forget()
            return (_sentence(f"run '{self._run.name}'", error),)
        unsent = []
        for label, job in self._jobs(tracker, wanted, over=over):
            try:
                job()
            except Exception as error:  # noqa: BLE001 - training never feels the tracker
                unsent.append(_sentence(label, error))
        if unsent:
            self._forget()
        return tuple(unsent)

    def _connected(self) -> Tracker:
        if self._tracker is None:
            tracker = self._connect()
            run = tracker.open(self._run, None)
            self._run_id, self._status = run.run_id, run.status
            self._scored = run.cursor.step > 0
            self._tracker = tracker
        return self._tracker

    def _jobs(
        self, tracker: Tracker, wanted: Wanted, *, over: bool
    ) -> Iterator[tuple[str, Callable[[], None]]]:
        begun = [name for name in wanted.stages if wanted.notices[name].status is not None]
        for name in begun:
            yield f"stage '{name}'", partial(self._send_stage, tracker, wanted, name)
        for path, folder in wanted.files.items():
            yield f"file '{path.name}'", partial(self._send_file, tracker, path, folder)
        if wanted.scores and not self._scored:
            yield "the scores", partial(self._send_scores, tracker, wanted.scores)
        if over and wanted.student is not None:
            yield "the student", partial(self._send_student, tracker, wanted.student)
        if wanted.status != self._status:
            yield "the run's end", partial(self._set_status, tracker, wanted.status)

    def _send_stage(self, tracker: Tracker, wanted: Wanted, name: str) -> None:
        notice = wanted.notices[name]
        sent = self._opened(tracker, wanted, name)
        if not _extends(notice.segments, sent.segments):
            # A damaged checkpoint was passed over, so history goes on from an earlier one.
            del self._stages[name]
            sent = self._opened(tracker, wanted, name)
        rows = read_committed(wanted.stages[name].folder, notice.segments, sent.segments)
        _log(tracker, sent.run_id, sent.windows.take(rows))
        sent.segments = notice.segments
        if notice.status == "FINISHED":
            _log(tracker, sent.run_id, sent.windows.close())
        if notice.status is not None and notice.status != sent.status:
            tracker.set_status(sent.run_id, notice.status)
            sent.status = notice.status

    def _opened(self, tracker: Tracker, wanted: Wanted, name: str) -> _Sent:
        if name not in self._stages:
            stage = wanted.stages[name]
            above = stage.under
            parent = self._opened(tracker, wanted, above).run_id if above else self._run_id
            run = tracker.open(stage.spec(), parent)
            self._stages[name] = _Sent(run.run_id, run.status, Windows(self._every, run.cursor))
        return self._stages[name]

    def _send_file(self, tracker: Tracker, path: Path, folder: str) -> None:
        state = (folder, path.stat().st_mtime_ns)
        if self._files.get(path) != state:
            tracker.log_artifact(self._run_id, path, folder)
            self._files[path] = state

    def _send_scores(self, tracker: Tracker, scores: tuple[Metric, ...]) -> None:
        for start in range(0, len(scores), _BATCH):
            tracker.log(self._run_id, scores[start : start + _BATCH], Cursor(step=1))
        self._scored = True

    def _send_student(self, tracker: Tracker, student: Student) -> None:
        if self._student != student.weights_sha256:
            tracker.log_student(
                self._run_id, student.network, student.example, student.weights_sha256
            )
            self._student = student.weights_sha256

    def _set_status(self, tracker: Tracker, status: Status) -> None:
        tracker.set_status(self._run_id, status)
        self._status = status


def _extends(segments: tuple[Segment, ...], earlier: tuple[Segment, ...]) -> bool:
    """Whether ``segments`` goes on where ``earlier`` ends; only its last entry may grow."""
    if not earlier:
        return True
    last = len(earlier) - 1
    return (
        len(segments) > last
        and segments[:last] == earlier[:last]
        and segments[last].attempt == earlier[last].attempt
        and segments[last].offset >= earlier[last].offset
        and (len(segments) == len(earlier) or segments[last] == earlier[last])
    )


def _log(tracker: Tracker, run_id: str, told: Iterable[Told]) -> None:
    """Sends metrics in batches; each ends where a cursor can stand."""
    batch: list[Metric] = []
    cursor = Cursor()
    for each in told:
        if batch and len(batch) + len(each.metrics) > _BATCH:
            tracker.log(run_id, batch, cursor)
            batch = []
        batch += each.metrics
        cursor = each.cursor
    if batch:
        tracker.log(run_id, batch, cursor)


def _sentence(label: str, error: Exception) -> str:
    reason = redacted(str(error)).strip().partition("\n")[0][:200]
    return f"{label} was not sent to the tracker ({type(error).__name__}: {reason})"

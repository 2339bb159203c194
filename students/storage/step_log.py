"""The step log: what each step of a stage measured, of which only committed rows are ever read.

Each attempt at a stage appends to its own file, ``spool/attempt-0001.jsonl``. A
checkpoint's manifest names the committed history as segments: of which attempt, up to which
byte. What an attempt wrote after its last commit, or what the actors of a killed driver still
write, lies beyond every segment. So a resumed stage has each step once.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from students.errors import CheckpointError
from students.json_records import line_bytes, parse_line

Segments: TypeAlias = tuple[tuple[int, int], ...]
"""The committed rows: of which attempts, and up to which byte, which is the end of a line."""


_LOST = "so what the stage's steps have measured is lost; delete the stage's folder to run it again"
_NAME = re.compile(r"attempt-(\d{4,})\.jsonl")


@dataclass(frozen=True)
class Row:
    """One line: what was measured at one optimizer step, or after one epoch.

    ``time_ms`` is the wall clock in milliseconds since 1970; ``epoch`` is -1 for steps.
    ``values`` are finite; ``nonfinite`` among them counts those that were not and are left out.
    """

    kind: Literal["step", "epoch"]
    step: int
    time_ms: int
    values: Mapping[str, float]
    epoch: int = -1


def step_log_path(folder: Path, attempt: int) -> Path:
    """The file of one attempt at the stage in ``folder``."""
    return folder / "spool" / f"attempt-{attempt:04d}.jsonl"


def latest_step_log(folder: Path) -> int:
    """The latest attempt at the stage in ``folder`` that has a step log; 0 if none has."""
    names = (_NAME.fullmatch(path.name) for path in (folder / "spool").glob("attempt-*"))
    return max((int(match[1]) for match in names if match), default=0)


class StepLogWriter(AbstractContextManager["StepLogWriter"]):
    """Appends the rows of one attempt at the stage in ``folder``.

    Raises:
        CheckpointError: the attempt has a step log already, or the disk is full.
    """

    def __init__(self, folder: Path, attempt: int) -> None:
        self.attempt = attempt
        self.path = step_log_path(folder, attempt)
        with _errors_named(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")

    def write_step(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the row of one optimizer step, with its figures by name."""
        self._append({"kind": "step", "step": step}, values)

    def write_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Appends the row of an epoch, whose last step was ``step``: validation figures, and
        what else is measured once an epoch."""
        self._append({"kind": "epoch", "epoch": epoch, "step": step}, values)

    def commit_point(self) -> int:
        """Syncs all rows to the disk; the byte offset behind the last one."""
        with _errors_named(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Closes the file; rows after the last commit point may be lost. May be called twice."""
        with _errors_named(self.path):
            self._file.close()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _append(self, head: dict[str, object], values: Mapping[str, float]) -> None:
        row = {**head, "time_ms": time.time_ns() // 1_000_000, "values": finite(values)}
        with _errors_named(self.path):
            self._file.write(line_bytes(row))


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """The finite ones of ``values``; ``nonfinite`` counts the others, if there are any."""
    kept = {name: float(value) for name, value in values.items() if math.isfinite(value)}
    lost = len(values) - len(kept)
    return {**kept, "nonfinite": kept.get("nonfinite", 0.0) + lost} if lost else kept


def extend_segments(segments: Sequence[tuple[int, int]], attempt: int, offset: int) -> Segments:
    """The committed history after a commit: what it was when ``attempt`` began, and its rows.

    ``segments`` may already hold an earlier commit of the same attempt.
    """
    before = tuple(segment for segment in segments if segment[0] != attempt)
    return (*before, (attempt, offset)) if offset else before


def read_committed(
    folder: Path,
    segments: Sequence[tuple[int, int]],
    after: Sequence[tuple[int, int]] = (),
) -> Iterator[Row]:
    """The committed rows of the stage in ``folder``, in order.

    ``after``: segments that were read before, whose rows are left out.

    Raises:
        CheckpointError: a file is shorter than its segment, a segment ends within a line, or a
            line is damaged.
    """
    seen = dict(after)
    for attempt, offset in segments:
        yield from _rows(step_log_path(folder, attempt), seen.get(attempt, 0), offset)


def _rows(path: Path, start: int, end: int) -> Iterator[Row]:
    if start >= end:
        return
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
    except OSError as error:
        raise CheckpointError(f"`{path}` cannot be read ({error.strerror}), {_LOST}") from error
    if len(data) < end - start or not data.endswith(b"\n"):
        raise CheckpointError(
            f"`{path}` has no end of a line at byte {end}, which is committed, {_LOST}"
        )
    for number, line in enumerate(data.splitlines()):
        try:
            row = Row(**parse_line(line))
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"`{path}` is damaged in line {number + 1} after byte {start}, {_LOST}"
            ) from error
        yield row


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Names ``path``, and what to do, where it cannot be written inside the context."""
    try:
        yield
    except FileExistsError as error:
        raise CheckpointError(
            f"`{path}` is there already, but each attempt at a stage writes its own step log; see "
            "that no other process copies files into this home, and run the same command again"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"`{path}` cannot be written ({error.strerror}); make room or repair it and run again: "
            "the last committed checkpoint stands"
        ) from error

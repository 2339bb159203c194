"""Times the bank on the disk of the home: a view is filled, sealed, and read again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from orchestrator.planning.plan import Stage
from orchestrator.profiling.measured_plan import MeasuredBank
from orchestrator.profiling.teacher_timing import TimedTeacher
from orchestrator.profiling.throughput_model import BankCosts
from orchestrator.profiling.workload import extent
from students.knowledge import LOGITS, Question
from students.randomness import generator
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.budget import bytes_of_one_view
from teachers.bank.columns import Column
from teachers.bank.reader import StoredView
from teachers.bank.shelf import Shelf
from teachers.bank.writer import LiveView
from teachers.config import BankConfig

MOST_ROWS = 20_000
WRITTEN = 64
"""Answers that go out in one write, as a teacher's forward batch does."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BankTiming:
    """The bank as ``stage``, a student taught by ``teachers``, uses it."""

    stage: Stage
    teachers: Mapping[str, TimedTeacher]
    transfer_set: TransferSet

    @property
    def is_used(self) -> bool:
        """Whether there is one, and somebody whose answers it keeps."""
        return bool(self.teachers) and isinstance(self.stage.ensemble.bank, BankConfig)

    @property
    def unkept(self) -> frozenset[str]:
        """The teachers who are asked for layers, where only logits are kept."""
        bank = self.stage.ensemble.bank
        if not isinstance(bank, BankConfig) or bank.taps:
            return frozenset()
        return frozenset(name for name, timed in self.teachers.items() if timed.teacher.taps)

    def costs(self, scratch: Path, seconds: float) -> BankCosts | None:
        """What one answer of the teacher with the largest ones costs; writes into ``scratch``.

        Raises:
            OSError: the disk takes no more.
        """
        if not self.is_used:
            return None
        largest = max(
            (self._columns(name) for name in self.teachers),
            key=lambda columns: sum(column.row_bytes for column in columns),
        )
        samples = len(self.transfer_set.targets)
        shelf = Shelf(scratch / "bank" / "shelf", "0" * 64, samples, 10**15, largest)
        shelf.folder.mkdir(parents=True)
        ids = np.sort(generator(0, "bank timing").permutation(samples)[:MOST_ROWS])
        write_seconds = _write(shelf, ids.astype(np.int64))
        read_seconds = _read(shelf, ids, self.stage.cohort[0].train.micro, seconds)
        return BankCosts(read_seconds, write_seconds)

    def measured(self, costs: BankCosts | None) -> MeasuredBank | None:
        """What is told of it: all answers of the stage under all its views, of all teachers."""
        bank = self.stage.ensemble.bank
        if costs is None or not isinstance(bank, BankConfig):
            return None
        answers = extent(self.stage, self.transfer_set).answers
        samples = len(self.transfer_set.targets)
        size = sum(
            bytes_of_one_view(self._columns(name), samples, count)
            for name in self.teachers
            for count in answers.values()
        )
        return MeasuredBank(size, bank.budget, 1e6 * costs.read_seconds, 1e6 * costs.write_seconds)

    def _columns(self, name: str) -> tuple[Column, ...]:
        """What is kept of the teacher's answers."""
        timed, data, ensemble = self.teachers[name], self.transfer_set, self.stage.ensemble
        logits = Column(LOGITS, (data.classes,), ensemble.top_k)
        if not isinstance(ensemble.bank, BankConfig) or not ensemble.bank.taps:
            return (logits,)
        answer = timed.answer(Question(0, data.student_ids()[:1]))
        taps = (tap.column for tap in timed.teacher.taps)
        return (logits, *(Column(name, answer.columns[name].shape[1:]) for name in taps))


def _write(shelf: Shelf, ids: Ids) -> float:
    """Seconds of one answer, with its share of the sealing."""
    random = generator(0, "bank values")
    values = {
        column.name: random.standard_normal((len(ids), *column.shape)).astype(np.float16)
        for column in shelf.columns
    }
    began = time.perf_counter()
    view = LiveView(shelf, 0)
    for start in range(0, len(ids), WRITTEN):
        part = slice(start, start + WRITTEN)
        view.append(ids[part], {name: rows[part] for name, rows in values.items()})
    view.close()
    return (time.perf_counter() - began) / len(ids)


def _read(shelf: Shelf, ids: Ids, asked: int, seconds: float) -> float:
    """Seconds of one answer among those of ``asked`` random samples."""
    view, random = StoredView(shelf, 0), generator(0, "bank reading")
    began, answers = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        chosen = random.choice(ids, asked)
        view.present(chosen)
        view.read(chosen)
        answers += asked
    return (time.perf_counter() - began) / answers

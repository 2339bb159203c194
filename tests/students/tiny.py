"""The smallest training that has all that a resume must restore, and teachers without networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from students.config import EngineConfig, TrainConfig
from students.events import Event
from students.knowledge import AnswerCounts, Knowledge, Question
from students.models.config import Model
from students.models.in_a_row import Mlp, PlainCnn
from students.objectives.cross_entropy import Task
from students.objectives.hint import Hint
from students.objectives.soft_targets import SoftTargets
from students.specs import MODEL, Assignment, Samples, StudentSpec
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, read_outcomes
from students.storage.step_log import read_committed
from students.training.student_rank import StudentRank
from students.transfer_sets.config import Digits, Shift, TransferSetConfig
from students.transfer_sets.identity import identify
from students.transfer_sets.planned_data import PlannedData
from tests.faults import fault, planned

CLASSES = 10
HINT = 5
DATA = Digits(validation=20, fraction=0.04, augment=Shift(pixels=1))
"""49 samples, that is 4 steps an epoch of 16, the last one filled up."""

DROPOUT = Mlp(hidden=(8,), dropout=0.3)
NORMS = PlainCnn(channels=(3, 3))
LAYER = {"mlp": "hidden.0", "plain_cnn": "stage1"}


@dataclass
class OneTeacher:
    """A knowledge source whose one teacher is a function of the question; keeps the questions.

    The answers to the micro-batches counted in ``nan_at`` make gradients not finite.
    """

    nan_at: frozenset[int] = frozenset()
    asked: list[Question] = field(default_factory=list)

    @contextmanager
    def ask(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        yield self._answers(questions)

    def counts(self) -> dict[str, AnswerCounts]:
        return {"wide": AnswerCounts(asked=len(self.asked))}

    def _answers(self, questions: Iterable[Question]) -> Iterator[Knowledge]:
        for question in questions:
            self.asked.append(question)
            yield self._knowledge(question, nan_at=len(self.asked) - 1 in self.nan_at)

    def _knowledge(self, question: Question, *, nan_at: bool) -> Knowledge:
        ids = torch.from_numpy(question.sample_ids).float()
        waves = (ids[:, None] + question.view) * torch.arange(1.0, CLASSES + 1)
        logits = waves.sin() * (float("inf") if nan_at else 3.0)
        count = len(ids)
        return Knowledge(
            logits=logits[None],
            known=torch.ones(1, CLASSES, dtype=torch.bool),
            present=torch.ones(1, count, dtype=torch.bool),
            weights=torch.ones(1, count),
            taps={"wide": {"layer": waves[:, :HINT].cos()}},
        )


def spec(model: Model = DROPOUT, *, taught: bool = True, **train: Any) -> StudentSpec:
    """A student in one process on the torch engine: 8 steps, checkpoints after 3 and 6."""
    settings: dict[str, Any] = {
        "epochs": 2, "batch_size": 16, "micro_batch_size": 8, "threads": 1,
        "checkpoint": {"every": 3, "keep": 2},
    }  # fmt: skip
    config = TrainConfig.model_validate(settings | train)
    terms = {
        "near": Hint(teacher="wide", hint="layer", guided=LAYER[model.kind], weight=0.5),
        "soft_targets": SoftTargets(weight=0.9),
        "task": Task(weight=0.1),
    }
    return StudentSpec(
        path="student",
        model=model,
        weights=None,
        objective=terms if taught else {"task": Task()},
        train=config,
        engine=EngineConfig(kind="torch"),
        seed=config.seed,
        samples=Samples("student", DATA.augment),
        temperature=4.0,
        mean="arithmetic",
    )


def planned_data(config: TransferSetConfig, folder: Path) -> PlannedData:
    """The transfer set as it lies in ``folder``, or comes with a package."""
    cache = folder / "cache"
    return PlannedData(config, identify(config, folder=folder, cache=cache), folder, cache)


def assignment(stage: Path, of: StudentSpec, **changes: Any) -> Assignment:
    """The next attempt at the stage in the folder ``stage``."""
    hints = {"wide/layer": (HINT,)} if "near" in of.objective else {}
    return replace(
        Assignment(
            spec=of,
            data=planned_data(DATA, stage.parent),
            stage_folder=stage,
            attempt=begin_attempt(stage),
            threads=1,
            teachers=("wide",) if hints else (),
            hint_shapes=hints,
        ),
        **changes,
    )


def train(
    stage: Path,
    of: StudentSpec,
    *,
    until: int | None = None,
    source: OneTeacher | None = None,
) -> list[Event]:
    """Trains to the end, or until it is interrupted before step ``until``; the events."""
    rank = StudentRank(assignment(stage, of), source or OneTeacher())
    return train_until(rank, until)


def train_until(rank: StudentRank, until: int | None = None) -> list[Event]:
    """Trains to the end, or until it is interrupted before step ``until``; the events."""
    if until is None:
        return list(rank.train())
    events = []
    interrupt = fault("student", until, "interrupt")
    with (
        planned(rank.assignment.data.folder, interrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        for event in rank.train():
            events.append(event)
    return events


def outcome(stage: Path) -> Outcome:
    """The outcome of the finished stage."""
    return read_outcomes(stage)[MODEL]


def measured(stage: Path) -> list[tuple[str, int, dict[str, float]]]:
    """The committed rows: kind, step and values but for times, which no two runs share."""
    rows = read_committed(stage, outcome(stage).segments)
    return [
        (row.kind, row.step, {n: v for n, v in row.values.items() if "seconds" not in n})
        for row in rows
    ]

"""Claims about processes started ahead: as many as will be needed, of the right kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from orchestrator.planning.plan import Plan, Stage

from cluster.runtime import Demand
from orchestrator.execution.prewarm import prewarm, prewarm_ranks
from orchestrator.home.store import Store
from orchestrator.planning.thread_allocation import TeacherReadiness, resources_of
from students.storage.attempts import begin_attempt
from students.storage.outcome import Outcome, write_outcome
from tests import small

AUTO = tuple(
    f"{place}=auto"
    for place in ("student.train.threads", "teachers.wide.threads", "teachers.deep.threads")
)


@dataclass
class Runtime:
    """Records which processes it was asked to start."""

    asked: list[tuple[int, Demand | None]] = field(default_factory=list)

    def warm(
        self, count: int, resources_of: Demand | None = None, modules: Sequence[str] = ()
    ) -> None:
        self.asked.append((count, resources_of))


@dataclass
class Teachers:
    """Reports for which teachers all answers are stored."""

    stored: frozenset[str] = frozenset()

    def readiness(self, stage: Stage) -> TeacherReadiness:
        return TeacherReadiness(stored=self.stored & set(stage.teachers))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return small.planned(tmp_path, *AUTO)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "home")
    made.prepare()
    return made


def finish(plan: Plan, store: Store, *titles: str) -> None:
    for title in titles:
        folder = store.folder(plan.stage(title).digest)
        attempt = begin_attempt(folder)
        answers = {"test": torch.zeros(1, 2)}
        write_outcome(folder, attempt, Outcome("ab", 1, 1, 1), weights={}, answers=answers)


def prewarmed(plan: Plan, store: Store, *stored: str) -> list[tuple[int, Demand | None]]:
    runtime = Runtime()
    prewarm(cast(Any, runtime), plan, store, cast(Any, Teachers(frozenset(stored))), 4)
    return runtime.asked


def place(plan: Plan, threads: int) -> Demand:
    return resources_of(plan.recipe.student.resources, threads)


def test_a_student_and_its_teachers_are_started_while_the_teachers_are_trained(
    plan: Plan, store: Store
) -> None:
    assert prewarmed(plan, store) == [(3, place(plan, 1))]


def test_nothing_is_started_for_teachers_whose_answers_are_stored(plan: Plan, store: Store) -> None:
    finish(plan, store, "teachers.wide", "teachers.deep")
    ((count, asked),) = prewarmed(plan, store, "wide", "deep")
    assert (count, asked) == (1, place(plan, 1))
    assert prewarmed(plan, store, "wide")[0][0] == 2


def test_nothing_is_started_for_stages_that_are_stored(plan: Plan, store: Store) -> None:
    finish(plan, store, "teachers.wide", "teachers.deep", "student")
    assert prewarmed(plan, store)[0][0] == 1
    finish(plan, store, "controls.untaught")
    assert prewarmed(plan, store) == []


def test_the_ranks_of_the_first_stage_that_can_begin_are_started(plan: Plan, store: Store) -> None:
    def ranks(*finished: str) -> list[tuple[int, Demand | None]]:
        finish(plan, store, *finished)
        runtime = Runtime()
        prewarm_ranks(cast(Any, runtime), plan, store, 4)
        return runtime.asked

    assert ranks() == ranks("teachers.wide", "teachers.deep") == [(1, place(plan, 1))]
    assert ranks("student", "controls.untaught") == []

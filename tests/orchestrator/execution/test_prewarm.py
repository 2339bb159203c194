"""Claims about processes started ahead: as many as will be needed, of the right kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from cluster.runtime import Demand
from orchestrator.execution.prewarm import prewarm, prewarm_ranks
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage, TeacherRef
from orchestrator.planning.thread_allocation import resources_of
from students.specs import MODEL
from students.storage.attempts import begin_attempt
from students.storage.outcome import FinishedModel, Outcome, write_outcome
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


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small.planned(tmp_path, *AUTO)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "home")
    made.prepare()
    return made


def finish(graph: Graph, store: Store, *titles: str) -> None:
    for title in titles:
        folder = store.folder(graph.stage(title).digest)
        attempt = begin_attempt(folder)
        model = FinishedModel(Outcome("ab", 1, 1, 1), {}, torch.zeros(1, 2))
        write_outcome(folder, attempt, {MODEL: model})


def prewarmed(graph: Graph, store: Store, *stored: str) -> list[tuple[int, Demand | None]]:
    runtime = Runtime()

    def is_answered(stage: Stage, ref: TeacherRef) -> bool:
        assert all(store.outcomes(need) for need in stage.needs), "it cannot be known yet"
        return ref.name in stored

    prewarm(cast(Any, runtime), graph, store, is_answered, 4)
    return runtime.asked


def place(graph: Graph, threads: int) -> Demand:
    return resources_of(graph.stage("student").resources, threads)


def test_a_student_and_its_teachers_are_started_while_the_teachers_are_trained(
    graph: Graph, store: Store
) -> None:
    assert prewarmed(graph, store) == [(3, place(graph, 1))]


def test_nothing_is_started_for_teachers_whose_answers_are_stored(
    graph: Graph, store: Store
) -> None:
    finish(graph, store, "teachers.wide", "teachers.deep")
    ((count, asked),) = prewarmed(graph, store, "wide", "deep")
    assert (count, asked) == (1, place(graph, 1))
    assert prewarmed(graph, store, "wide")[0][0] == 2


def test_nothing_is_started_for_stages_that_are_stored(graph: Graph, store: Store) -> None:
    finish(graph, store, "teachers.wide", "teachers.deep", "student")
    assert prewarmed(graph, store)[0][0] == 1
    finish(graph, store, "controls.untaught")
    assert prewarmed(graph, store) == []


def test_the_ranks_of_the_first_stage_that_can_begin_are_started(
    graph: Graph, store: Store
) -> None:
    def ranks(*finished: str) -> list[tuple[int, Demand | None]]:
        finish(graph, store, *finished)
        runtime = Runtime()
        prewarm_ranks(cast(Any, runtime), graph, store, 4)
        return runtime.asked

    assert ranks() == ranks("teachers.wide", "teachers.deep") == [(1, place(graph, 1))]
    assert ranks("student", "controls.untaught") == []

"""Where a measurement runs stages: a session in a scratch home beside the real one.

Waits for another measurement in the same home; freed by its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from orchestrator.execution.session import Session
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.home.cleaning import MEASURING
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.planning.stage import Stage, TeacherRef
from students.specs import StageOutput
from students.training.warning_relay import LOGGER
from students.transfer_sets.transfer_set import TransferSet
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec


@dataclass(frozen=True)
class Bench:
    """A graph to be timed, each stage and teacher for ``seconds``, in ``session``, whose home is a
    scratch home.

    What is stored already is looked up in ``store``. ``say`` gets a line about each thing that is
    timed.
    """

    graph: Graph
    store: Store
    session: Session
    seconds: float
    say: Callable[[str], None]

    @property
    def scratch(self) -> Store:
        """Where what is timed is stored."""
        return self.session.store

    @property
    def transfer_set(self) -> TransferSet:
        """The graph's samples."""
        return self.session.transfer_set(self.graph.data)

    def teachers(self, stage: Stage, store: Store) -> list[StageTeacher]:
        """The stage's teachers, as far as ``store`` knows them."""
        return [StageTeacher(stage, ref, store, self.transfer_set) for ref in stage.teachers]

    def answers(self, stage: Stage) -> dict[str, AnswerSpec]:
        """What the stage asks of each of its teachers, whose outcomes the scratch home has."""
        return {
            teacher.ref.name: teacher.answers(teacher.config or plain(1))
            for teacher in self.teachers(stage, self.scratch)
        }


def to_be_timed(graph: Graph, store: Store) -> Graph:
    """The graph without its tests, in which a teacher that is still to be trained need not pass the
    parity gate."""

    def admitted(ref: TeacherRef) -> TeacherRef:
        trained = not isinstance(ref.weights, StageOutput) or store.outcome(ref.weights)
        return ref if trained else replace(ref, gate="warn")

    nodes = tuple(
        replace(node, teachers=tuple(map(admitted, node.teachers)))
        if isinstance(node, Stage)
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes, tests=False)


@contextmanager
def scratch_home(store: Store) -> Iterator[Path]:
    """An empty home inside the cache of ``store``, whose transfer sets it shares.

    One at a time: two measurements would measure each other. Warnings about teachers that answer
    with untrained weights are not shown meanwhile.
    """
    folder = store.cache / MEASURING
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(LOGGER)
    with FileLock(f"{folder}.lock"), TemporaryDirectory(dir=folder) as home:
        cache = Store(Path(home)).cache
        cache.mkdir()
        for each in store.cache.iterdir():
            if each.is_dir() and each.name not in (MEASURING, "teachers"):
                (cache / each.name).symlink_to(each)
        logger.disabled = True
        try:
            yield Path(home)
        finally:
            logger.disabled = False

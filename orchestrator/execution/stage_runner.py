"""Runs one attempt at a stage: starts its roles, has its ranks train, retires the roles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from cluster.errors import RoleLost, RoleSilent
from cluster.runtime import Demand, Future, Handle, Place, Runtime
from orchestrator.execution.event_relay import (
    SECONDS_FOR_REASON,
    RoleFailed,
    relay_events,
    title_of,
)
from orchestrator.execution.finished_network import device, model_spec, weights_of
from orchestrator.execution.side_by_side import for_each
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.execution.teacher_pool import TeacherPool
from orchestrator.execution.teacher_startup import TeacherStartup
from orchestrator.home.extra_outputs import training_folder
from orchestrator.home.store import Store
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import Resolved, ranks_of, resolve, resources_of
from students.engines.group import LOOPBACK, Group, free_ports
from students.events import Event
from students.knowledge import KnowledgeSource
from students.specs import MODEL, Assignment, anchor_epoch
from students.storage.outcome import TEST, read_logits
from students.training.questions import NoTeachers
from students.training.student_rank import StudentRank
from students.transfer_sets.transfer_set import TransferSet
from teachers.errors import TeacherSilent
from teachers.serving.evaluator import Evaluator
from teachers.serving.host import TeacherHost


@dataclass(frozen=True)
class Attempt:
    """One attempt at a stage, by its ``number``, with what was ``resolved`` at the first one.

    With ``start_all`` all teachers are started, also those whose answers are stored. ``on_event``
    is called with each event of rank 0; ``stopping`` ends the attempt.
    """

    number: int
    resolved: Resolved
    on_event: Callable[[Event], None]
    stopping: threading.Event
    start_all: bool = False


@dataclass(frozen=True)
class StageRunner:
    """Runs stages on the runtime of ``pool``, with its teachers."""

    store: Store
    pool: TeacherPool
    cores: int

    @property
    def runtime(self) -> Runtime:
        """Where the roles run."""
        return self.pool.runtime

    def run(
        self,
        stage: Stage,
        teachers: Sequence[StageTeacher],
        transfer_set: TransferSet,
        attempt: Attempt,
    ) -> None:
        """Runs the stage until its outcome is stored.

        Raises:
            RoleFailed: a role is to blame for the end of the attempt.
            CannotPlace: the stage needs more than the machine has.
            KeyboardInterrupt: it was stopped.
        """
        if stage.evaluates is not None:
            self._evaluate(stage, attempt)
            return
        startup = TeacherStartup(stage, teachers, attempt.resolved, attempt.start_all)
        wanted = startup.wanted(self.cores)
        with ExitStack() as roles:
            roles.callback(startup.seal)
            places, running = roles.enter_context(
                self.pool.entered(
                    stage.title, self._demands(stage, attempt), wanted, attempt.stopping
                )
            )
            handles = {
                ref.name: tuple(
                    handle
                    for each, handle in zip(wanted, running, strict=True)
                    if each.spec.name == ref.name
                )
                for ref in stage.teachers
            }
            knowledge: KnowledgeSource = NoTeachers(transfer_set.classes)
            if stage.teachers:
                knowledge = startup.connect(handles, transfer_set, attempt.stopping)
                self._record_configs(stage, startup, attempt.resolved)
            ranks = self._start_ranks(stage, attempt, places, knowledge, roles)
            try:
                relay_events(stage, ranks, attempt.on_event, attempt.stopping)
            except RoleFailed as failed:
                self._end_failed(failed, ranks, handles)
                raise

    def _end_failed(
        self,
        failed: RoleFailed,
        ranks: Sequence[Handle[StudentRank]],
        teachers: Mapping[str, Sequence[Handle[TeacherHost]]],
    ) -> None:
        """Ends the process of a role that is stuck, for it would not end by itself, or of one that
        is gone, so that its place is free at once."""
        if isinstance(failed.error, TeacherSilent):
            self.runtime.kill(teachers[failed.error.teacher][failed.error.replica])
        elif isinstance(failed.error, (RoleSilent, RoleLost)):
            self.runtime.kill(ranks[failed.rank])

    def test(self, stage: Stage, resolved: Resolved, stopping: threading.Event) -> None:
        """Stores the logits of the stage's models on the test part, where they are not stored."""
        for name in stage.models:
            if read_logits(self.store.folder(stage.digest), name, TEST) is None:
                with self._evaluator(stage, name, resolved, stopping) as evaluator:
                    _wait(stage, evaluator, evaluator.call(Evaluator.test, name))

    def _evaluate(self, stage: Stage, attempt: Attempt) -> None:
        with self._evaluator(stage, MODEL, attempt.resolved, attempt.stopping) as evaluator:
            _wait(stage, evaluator, evaluator.call(Evaluator.evaluate, attempt.number))

    @contextmanager
    def _evaluator(
        self, stage: Stage, name: str, resolved: Resolved, stopping: threading.Event
    ) -> Iterator[Handle[Evaluator]]:
        threads = resolved["student"]
        demand = resources_of(stage.resources, threads)
        spec = model_spec(stage.models[name], name, stage, self.store, threads, stage.resources)
        [place] = self.runtime.reserve(stage.title, [demand], stopping)
        try:
            handle = self.runtime.start(
                place, stage.title, Evaluator, spec, self.store.folder(stage.digest)
            )
            try:
                yield handle
            finally:
                self.runtime.retire(handle)
        finally:
            self.runtime.release(place)

    def _demands(self, stage: Stage, attempt: Attempt) -> list[Demand]:
        planned = resolve(stage, self.cores)["student"]
        demand = resources_of(stage.resources, attempt.resolved["student"], counted=planned)
        return [demand] * ranks_of(stage)

    def _record_configs(self, stage: Stage, startup: TeacherStartup, resolved: Resolved) -> None:
        """How each teacher is run is kept with the stage, for its later attempts."""
        if "manners" not in resolved:
            configs = startup.configs.items()
            resolved["manners"] = {name: config.to_json() for name, config in configs}
            self.store.amend(stage.digest, resolved)

    def _start_ranks(
        self,
        stage: Stage,
        attempt: Attempt,
        places: Sequence[Place],
        knowledge: KnowledgeSource,
        roles: ExitStack,
    ) -> list[Handle[StudentRank]]:
        """Starts the ranks; those that were started are retired with ``roles``."""
        started: list[Handle[StudentRank]] = []
        roles.callback(lambda: for_each(self.runtime, self.runtime.retire, started))

        def start(given: tuple[Place, Assignment]) -> Handle[StudentRank]:
            place, assignment = given
            title = title_of(stage, assignment.group.rank)
            handle = self.runtime.start(place, title, StudentRank, assignment, knowledge)
            started.append(handle)
            return handle

        given = list(zip(places, self._assignments(stage, attempt), strict=True))
        return for_each(self.runtime, start, given)

    def _assignments(self, stage: Stage, attempt: Attempt) -> Iterator[Assignment]:
        """One assignment for each rank of each student."""
        folder = training_folder(self.store, stage)
        extras = self.store.missing_extras(stage)
        for spec in stage.cohort:
            ranks = spec.engine.ranks
            [port] = free_ports(1) if ranks > 1 else [0]
            seconds = stage.timeouts.collective.total_seconds()
            weights = None if spec.weights is None else weights_of(spec.weights, self.store)
            for rank in range(ranks):
                yield Assignment(
                    spec=replace(spec, weights=weights),
                    data=replace(stage.data, cache=self.store.cache),
                    stage_folder=folder,
                    attempt=attempt.number,
                    threads=attempt.resolved["student"],
                    teachers=tuple(ref.name for ref in stage.teachers),
                    device=device(stage.resources),
                    group=Group(rank, ranks, LOOPBACK, port, seconds),
                    hint_shapes=stage.hint_shapes,
                    extras={anchor_epoch(name): name for name in extras},
                )


def _wait(stage: Stage, role: Handle[Evaluator], answer: Future[None]) -> None:
    """Waits as long as the role's process responds."""
    patience = stage.timeouts.rank.total_seconds()
    while True:
        try:
            return answer.result(patience)
        except RoleSilent:
            if not role.responds(SECONDS_FOR_REASON):
                raise

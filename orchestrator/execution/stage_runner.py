"""Runs one stage: starts its roles, relays the events of rank 0, retires the roles.

Waits for the events of rank 0, each within ``timeouts.rank``; freed by an event, by the
rank's loss, or by the runtime being closed. Then for the other ranks' ends, likewise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from cluster.errors import ClusterError, RoleSilent
from cluster.runtime import Future, Handle, Runtime
from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.parity_gate import ParityGate
from orchestrator.execution.role_specs import RoleSpecs
from orchestrator.execution.teacher_startup import TeacherStartup
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Resolved, resolve, resources_of
from students.errors import UserError
from students.events import Event
from students.knowledge import KnowledgeSource
from students.training.questions import NoTeachers
from students.training.student_rank import StudentRank
from students.transfer_sets.transfer_set import TransferSet
from teachers.errors import AnswersGone, InvalidAnswer
from teachers.serving.host import Examiner

EVENTS_AHEAD = 64

SECONDS_FOR_REASON = 5.0
"""How long a rank may take to report why it ended, once another one has failed."""


@dataclass(frozen=True)
class StageRunner:
    """Runs stages on one runtime, on the samples of ``transfer_set``; ``stopping`` is set when the
    run is to end."""

    runtime: Runtime
    role_specs: RoleSpecs
    transfer_set: TransferSet
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        stage: Stage,
        attempt: int,
        resolved: Resolved,
        on_event: Callable[[Event], None],
        *,
        start_all: bool = False,
    ) -> None:
        """Runs the stage until its outcome is stored; calls ``on_event`` with each event.

        With ``start_all`` all teachers are started, also those whose answers are stored.

        Raises:
            AnswersGone: stored answers of a teacher that was not started are damaged or deleted.
            UserError: a role cannot be built, or the training cannot go on.
            ClusterError: a role was lost, or did not answer in time.
        """
        with ExitStack() as roles:
            if stage.kind == "examine":
                self._examine(stage, attempt, resolved, roles)
            else:
                self._teach(stage, attempt, resolved, roles, on_event, start_all=start_all)

    @cached_property
    def teachers(self) -> TeacherStartup:
        """Prepares the teachers of stages."""
        plan, store = self.role_specs.plan, self.role_specs.store
        bank_shelves = BankShelves(plan, store, self.transfer_set, self.role_specs.hint_shapes)
        parity_gate = ParityGate(plan, store, self.transfer_set)
        return TeacherStartup(
            self.runtime, self.role_specs, bank_shelves, parity_gate, self._start_all, self.stopping
        )

    def _examine(self, stage: Stage, attempt: int, resolved: Resolved, roles: ExitStack) -> None:
        name = stage.name.removeprefix("teachers.")
        spec = self.role_specs.teacher_spec(name, resolved["student"])
        folder = self.role_specs.store.folder(stage.digest)
        place = resources_of(self.role_specs.resources(stage), resolved["student"])
        examiner = self.runtime.start(place, stage.title, Examiner, spec, folder, attempt)
        roles.callback(self.runtime.retire, examiner)
        examiner.call(Examiner.examine).result()

    def _teach(
        self,
        stage: Stage,
        attempt: int,
        resolved: Resolved,
        roles: ExitStack,
        on_event: Callable[[Event], None],
        *,
        start_all: bool,
    ) -> None:
        knowledge: KnowledgeSource = NoTeachers(self.transfer_set.classes)
        if stage.teachers:
            knowledge = self.teachers.knowledge_source(stage, resolved, roles, start_all=start_all)
        planned = resolve(stage, self.role_specs.plan, os.cpu_count() or 1)
        place = resources_of(
            self.role_specs.resources(stage), resolved["student"], counted=planned["student"]
        )
        starts = [
            partial(
                self.runtime.start,
                place,
                f"{stage.title}, rank {assignment.group.rank}",
                StudentRank,
                assignment,
                knowledge,
            )
            for assignment in self.role_specs.assignments(stage, attempt, resolved)
        ]
        first, *others = self._start_all(roles, starts)
        followers = [rank.call(StudentRank.follow) for rank in others]
        self._relay_events(stage, first, followers, on_event)

    def _start_all(
        self, roles: ExitStack, starts: Sequence[Callable[[], Handle[Any]]]
    ) -> list[Handle[Any]]:
        """Starts roles in parallel; all that were started are retired with ``roles``."""

        def start_one(start: Callable[[], Handle[Any]]) -> Handle[Any]:
            handle = start()
            roles.callback(self.runtime.retire, handle)
            return handle

        if not self.runtime.parallel:
            return [start_one(start) for start in starts]
        with ThreadPoolExecutor(max(1, len(starts)), "start") as pool:
            futures = [pool.submit(start_one, start) for start in starts]
        return [future.result() for future in futures]

    def _relay_events(
        self,
        stage: Stage,
        first: Handle[StudentRank],
        followers: Sequence[Future[None]],
        on_event: Callable[[Event], None],
    ) -> None:
        patience = self.role_specs.plan.recipe.timeouts.rank.total_seconds()
        events = first.stream(EVENTS_AHEAD, StudentRank.train)
        try:
            while True:
                on_event(events.next(patience))
        except StopIteration:
            for follower in followers:
                follower.result(patience)
        except RoleSilent as silent:
            raise RoleSilent(
                f"stage '{stage.title}' reported nothing for {patience:g} s (`timeouts.rank`) and "
                "was ended; run the same command again to resume from its last checkpoint"
            ) from silent
        except Exception:
            # A rank that gets no answers makes rank 0 fail as well; its reason is the one to raise.
            for follower in followers:
                try:
                    follower.result(SECONDS_FOR_REASON)
                except (AnswersGone, InvalidAnswer) as reason:
                    raise reason from None
                except (ClusterError, UserError, RuntimeError, OSError):
                    continue
            raise
        finally:
            events.close()

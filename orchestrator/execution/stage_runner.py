"""Carries out one stage: starts its roles, listens to them, lets them go.

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
from functools import cached_property
from typing import Any

from cluster.errors import ClusterError, RoleSilent
from cluster.runtime import Future, Handle, Runtime
from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.parity_gate import ParityGate
from orchestrator.execution.role_specs import RoleSpecs, resources_of
from orchestrator.execution.teacher_startup import TeacherStartup
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import Prospect, Resolved, resolve
from students.errors import UserError
from students.events import Event
from students.knowledge import KnowledgeSource
from students.training.questions import NoTeachers
from students.training.student_rank import StudentRank
from students.transfer_sets.transfer_set import TransferSet
from teachers.errors import AnswersGone, InvalidAnswer
from teachers.serving.host import Examiner

EVENTS_AHEAD = 64

SECONDS_TO_SAY = 5.0
"""How long a rank is given to say why it ended, once another one has failed."""


@dataclass(frozen=True)
class StageWork:
    """Carries out stages on one runtime, for the samples of ``transfer_set``; ``broken_off`` says
    that the run is to end."""

    runtime: Runtime
    role_specs: RoleSpecs
    transfer_set: TransferSet
    broken_off: threading.Event = field(default_factory=threading.Event)

    def prospect(self, stage: Stage) -> Prospect:
        """What is known of the stage's teachers before it begins.

        Raises:
            BankError: the bank cannot be used.
        """
        return self.teachers.prospect(stage)

    def fills(self, stage: Stage) -> frozenset[str]:
        """The teachers whose answers the stage is going to store, for they are not all there.

        Raises:
            BankError: the bank cannot be used.
        """
        return self.teachers.fills(stage)

    def carry_out(
        self,
        stage: Stage,
        attempt: int,
        resolved: Resolved,
        hear: Callable[[Event], None],
        *,
        everyone: bool = False,
    ) -> None:
        """Leaves the stage's outcome in the store; ``hear`` is told of each event.

        ``everyone`` says that all teachers are started, also those whose answers are stored.

        Raises:
            AnswersGone: stored answers of a teacher that was not started are there no longer.
            UserError: it cannot be made ready, or its training cannot go on.
            ClusterError: a role was lost, or was silent for too long.
        """
        with ExitStack() as roles:
            if stage.kind == "examine":
                self._examine(stage, attempt, resolved, roles)
            else:
                self._teach(stage, attempt, resolved, roles, hear, everyone=everyone)

    @cached_property
    def teachers(self) -> TeacherStartup:
        """Prepares the teachers of stages."""
        plan, store = self.role_specs.plan, self.role_specs.store
        bank_shelves = BankShelves(plan, store, self.transfer_set, self.role_specs.hint_shapes)
        parity_gate = ParityGate(plan, store, self.transfer_set)
        return TeacherStartup(
            self.runtime, self.role_specs, bank_shelves, parity_gate, self._started, self.broken_off
        )

    def _examine(self, stage: Stage, attempt: int, resolved: Resolved, roles: ExitStack) -> None:
        name = stage.name.removeprefix("teachers.")
        spec = self.role_specs.teacher_spec(name, stage, resolved["student"])
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
        hear: Callable[[Event], None],
        *,
        everyone: bool,
    ) -> None:
        lessons = self._lessons(stage, resolved, roles, everyone=everyone)
        planned = resolve(stage, self.role_specs.plan, os.cpu_count() or 1)
        place = resources_of(
            self.role_specs.resources(stage), resolved["student"], counted=planned["student"]
        )
        assignments = self.role_specs.assignments(stage, attempt, resolved)
        ranks = self._started(
            roles,
            [
                lambda a=assignment: self.runtime.start(  # type: ignore[misc]
                    place, f"{stage.title}, rank {a.group.rank}", StudentRank, a, lessons
                )
                for assignment in assignments
            ],
        )
        first, *others = ranks
        followers = [rank.call(StudentRank.follow) for rank in others]
        self._listen(stage, first, followers, hear)

    def _lessons(
        self, stage: Stage, resolved: Resolved, roles: ExitStack, *, everyone: bool
    ) -> KnowledgeSource:
        if not stage.teachers:
            return NoTeachers(self.transfer_set.classes)
        return self.teachers.lessons(stage, resolved, roles, everyone=everyone)

    def _started(
        self, roles: ExitStack, starts: Sequence[Callable[[], Handle[Any]]]
    ) -> list[Handle[Any]]:
        """Starts roles beside each other; all that came up are retired with ``roles``."""
        if not (self.runtime.parallel and starts):
            return [self._kept(roles, start()) for start in starts]
        with ThreadPoolExecutor(len(starts), "start") as pool:
            coming = [pool.submit(start) for start in starts]
        errors = [future.exception() for future in coming]
        up = [self._kept(roles, f.result()) for f, e in zip(coming, errors, strict=True) if not e]
        for error in errors:
            if error is not None:
                raise error
        return up

    def _kept(self, roles: ExitStack, handle: Handle[Any]) -> Handle[Any]:
        roles.callback(self.runtime.retire, handle)
        return handle

    def _listen(
        self,
        stage: Stage,
        first: Handle[StudentRank],
        followers: Sequence[Future[None]],
        hear: Callable[[Event], None],
    ) -> None:
        patience = self.role_specs.plan.recipe.timeouts.rank.total_seconds()
        events = first.stream(EVENTS_AHEAD, StudentRank.train)
        try:
            while True:
                hear(events.next(patience))
        except StopIteration:
            for follower in followers:
                follower.result(patience)
        except RoleSilent as silent:
            raise RoleSilent(
                f"stage '{stage.title}' said nothing for {patience:g} s (`timeouts.rank`) and was "
                "ended; run the same command again to go on from its last checkpoint"
            ) from silent
        except Exception:
            # A rank that gets no answers takes rank 0 down with it, and its reason counts.
            for reason in filter(None, map(_without_answers, followers)):
                raise reason from None
            raise
        finally:
            events.close()


def _without_answers(follower: Future[None]) -> AnswersGone | InvalidAnswer | None:
    try:
        follower.result(SECONDS_TO_SAY)
    except (AnswersGone, InvalidAnswer) as reason:
        return reason
    except (ClusterError, UserError, RuntimeError, OSError):
        return None
    return None

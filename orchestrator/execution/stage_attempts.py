"""Works on one stage until its outcome is stored: as many attempts as the failure policy allows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cluster.errors import RoleLost, RoleSilent
from orchestrator.execution.event_relay import RoleFailed
from orchestrator.execution.failure_policy import Cause, Failure, StageGivenUp, decide, failure_of
from orchestrator.execution.stage_runner import Attempt, StageRunner
from orchestrator.execution.stage_teacher import StageTeacher
from orchestrator.home.extra_outputs import add_extras, training_folder
from orchestrator.planning.thread_allocation import resolve
from students.storage.attempts import begin_attempt
from teachers.errors import TeacherError, TeacherSilent

if TYPE_CHECKING:
    from orchestrator.execution.session import Session
    from orchestrator.execution.stage_works import StageWork, StageWorks

log = logging.getLogger("stillhouse.session")


class StageAttempts:
    """The attempts at the stage of ``work``, which holds the stage's lock meanwhile."""

    def __init__(self, session: Session, works: StageWorks, work: StageWork) -> None:
        self._session = session
        self._works = works
        self._work = work
        self._failures: list[Failure] = []

    def run(self) -> None:
        """Attempts the stage until it is done.

        Raises:
            StageGivenUp: it has failed too often in a row.
            Exception: what another attempt cannot change.
            KeyboardInterrupt: no graph wants the stage any more.
        """
        self._train()
        # It was resumed from behind an extra output that was not asked for until then.
        if self._session.store.missing_extras(self._work.stage):
            self._train()

    def _train(self) -> None:
        with self._works.slot(self._work.stopping):
            while not self._attempt(self._teachers()):
                pass

    def _teachers(self) -> list[StageTeacher]:
        """The stage's teachers, of which nothing was looked up yet."""
        session, stage = self._session, self._work.stage
        transfer_set = session.transfer_set(stage.data)
        return [StageTeacher(stage, ref, session.store, transfer_set) for ref in stage.teachers]

    def _attempt(self, teachers: list[StageTeacher]) -> bool:
        """Whether the stage is done; false if it is to be tried again."""
        session, work, stage = self._session, self._work, self._work.stage
        for teacher in teachers:
            teacher.prepare()
        configs = {teacher.ref.name: teacher.config for teacher in teachers}
        known = {name: config for name, config in configs.items() if config is not None}
        chosen = resolve(stage, session.cores, known)
        resolved = session.store.begin(stage.digest, stage.fingerprint, chosen)
        folder = training_folder(session.store, stage)
        number = begin_attempt(folder)
        work.on_begin(number)
        gone = any(failure.cause is Cause.ANSWERS for failure in self._failures)
        again = folder != session.store.folder(stage.digest)
        on_event = work.on_event_again if again else work.on_event
        attempt = Attempt(number, resolved, on_event, work.stopping, start_all=gone)
        runner = StageRunner(session.store, session.pool, session.cores)
        try:
            runner.run(stage, teachers, session.transfer_set(stage.data), attempt)
        except RoleFailed as failed:
            self._decide(failed.role, failed.error)
            return False
        except (RoleLost, RoleSilent) as error:
            self._decide(f"a role of stage '{stage.title}'", error)
            return False
        if again:
            add_extras(session.store, stage)
        return True

    def _decide(self, role: str, error: Exception) -> None:
        """Returns if the stage is to be tried again.

        Raises:
            Exception: it is not.
        """
        work = self._work
        if work.stopping.is_set():
            raise KeyboardInterrupt from error
        failure = failure_of(error, role, work.step)
        if failure is None:
            raise error
        self._failures.append(failure)
        decision = decide(work.stage.title, self._failures)
        self._session.store.record_failure(work.stage.digest, decision.sentence)
        log.info("%s", decision.sentence)
        if decision.again:
            work.on_failure(decision.sentence)
            return
        if failure.cause is Cause.RAISED:
            raise error
        if isinstance(error, TeacherSilent):
            raise TeacherError(decision.sentence, path=failure.setting) from error
        raise StageGivenUp(decision.sentence) from error

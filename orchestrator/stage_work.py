"""Carries out one stage: starts its roles, listens to them, lets them go.

Waits for the events of rank 0, each within ``timeouts.rank``; freed by an event, by the
rank's loss, or by the runtime being closed. Then for the other ranks' ends, likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from cluster.errors import RoleSilent
from cluster.runtime import Future, Handle, Runtime
from orchestrator.placing import Placing, demand
from orchestrator.plan import Stage
from orchestrator.resolution import Resolved
from students.knowledge import Lessons
from students.lessons import NoLessons
from students.reports import Event
from students.student_rank import StudentRank
from teachers.ensemble import Ensemble
from teachers.examiner import Examiner
from teachers.host import TeacherHost
from teachers.stream import StreamedLessons

EVENTS_AHEAD = 64


@dataclass(frozen=True)
class StageWork:
    """Carries out stages on one runtime, for data of ``classes`` classes."""

    runtime: Runtime
    placing: Placing
    classes: int

    def carry_out(
        self, stage: Stage, attempt: int, resolved: Resolved, hear: Callable[[Event], None]
    ) -> None:
        """Leaves the stage's outcome in the store; ``hear`` is told of each event.

        Raises:
            StudentError: it cannot be made ready, or its training cannot go on.
            ClusterError: a role was lost, or was silent for too long.
        """
        with ExitStack() as roles:
            if stage.kind == "examine":
                self._examine(stage, attempt, resolved, roles)
            else:
                self._teach(stage, attempt, resolved, roles, hear)

    def _examine(self, stage: Stage, attempt: int, resolved: Resolved, roles: ExitStack) -> None:
        name = stage.name.removeprefix("teachers.")
        spec = self.placing.teacher_spec(name, stage, resolved["student"])
        folder = self.placing.store.folder(stage.digest)
        place = demand(self.placing.resources(stage), resolved["student"])
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
    ) -> None:
        lessons = self._lessons(stage, resolved, roles)
        place = demand(self.placing.resources(stage), resolved["student"])
        assignments = self.placing.assignments(stage, attempt, resolved)
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

    def _lessons(self, stage: Stage, resolved: Resolved, roles: ExitStack) -> Lessons:
        if not stage.teachers:
            return NoLessons(self.classes)
        recipe, ranks = self.placing.plan.recipe, stage.cohort[0].engine.ranks
        starts, owners = [], []
        for name in stage.teachers:
            config, threads = recipe.teachers[name], resolved["teachers"][name]
            spec = self.placing.teacher_spec(name, stage, threads)
            place = demand(config.resources, threads, streams=ranks)
            for replica in range(config.replicas):
                title = f"teacher {name}" + (f", replica {replica}" if replica else "")
                starts.append(
                    lambda p=place, t=title, s=spec: self.runtime.start(p, t, TeacherHost, s)
                )
                owners.append(name)
        handles = self._started(roles, starts)
        by_name = {
            name: tuple(h for owner, h in zip(owners, handles, strict=True) if owner == name)
            for name in stage.teachers
        }
        return StreamedLessons(
            Ensemble(stage.teachers, self.classes, stage.ensemble.weighting),
            by_name,
            recipe.timeouts.teacher.total_seconds(),
            stage.ensemble.on_teacher_loss,
        )

    def _started(
        self, roles: ExitStack, starts: Sequence[Callable[[], Handle[Any]]]
    ) -> list[Handle[Any]]:
        """Starts roles beside each other; all that came up are retired with ``roles``."""
        if not self.runtime.parallel:
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
        patience = self.placing.plan.recipe.timeouts.rank.total_seconds()
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
        finally:
            events.close()

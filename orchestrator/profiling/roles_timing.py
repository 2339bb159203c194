"""Times each role of a plan by itself: teachers, those still to be trained, student, bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.role_specs import RoleSpecs, ensemble_of
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import resolve
from orchestrator.profiling.bank_contents import Holdings, held
from orchestrator.profiling.bank_timing import BankTiming
from orchestrator.profiling.measured_plan import MeasuredBank, MeasuredTeacher
from orchestrator.profiling.process_start_timing import start_seconds
from orchestrator.profiling.replayed_answers import CannedLessons
from orchestrator.profiling.stage_estimate import Parts, StudentCosts
from orchestrator.profiling.student_timing import TimedStudent
from orchestrator.profiling.teacher_timing import TeacherTiming, TimedTeacher
from orchestrator.profiling.throughput_model import Role, role
from students.knowledge import KnowledgeSource, Question
from students.objectives.task import Task
from students.specs import StudentSpec
from students.storage.outcome import read_outcome
from students.training.build import sample_ids
from students.training.questions import NoTeachers
from students.transfer_sets.transfer_set import TransferSet

ROUNDS = 5
ROUNDS_OF_TEACHERS = 2


@dataclass(frozen=True)
class Measured:
    """The parts, and what is told of teachers and bank; ``stored`` are digests of stages, and
    ``views`` those that the bank holds whole, by teacher."""

    parts: Parts
    teachers: Mapping[str, MeasuredTeacher]
    bank: MeasuredBank | None
    stored: frozenset[str]
    views: Mapping[str, set[int]]


@dataclass(frozen=True)
class RolesTiming:
    """Times the roles of ``placing.plan`` on ``cores`` cores; ``say`` is told what is timed.

    What is written meanwhile lies in ``scratch``. One turn takes about ``seconds``: those who are
    compared take turns, so that what else the machine does slows all of them.
    """

    role_specs: RoleSpecs
    transfer_set: TransferSet
    scratch: Path
    cores: int
    say: Callable[[str], None]
    seconds: float

    def measured(self) -> Measured:
        """Times all that a run of the plan is made of."""
        plan = self.role_specs.plan
        student = plan.stage("student")
        stored = frozenset(s.digest for s in plan.stages if self._is_stored(s))
        holdings = held(self._shelving(), student, stored)
        timed = self._teachers(student, stored, holdings)
        trained = {s.name: self._trained(s) for s in plan.stages if _is_taught_here(s, stored)}
        specs, alone, rates = self._rounds(student, timed, holdings)
        bank = BankTiming(
            student, {name: timed[name] for name in student.teachers}, self.transfer_set
        )
        if bank.is_used:
            self.say("timing the bank's disk")
        costs = bank.costs(self.scratch, self.seconds)
        parallel = plan.recipe.cluster.mode != "in_process"
        if parallel:
            self.say("timing the start of a process")
        parts = Parts(
            specs=specs | trained,
            student_alone=alone,
            teachers={name: self._as_role(name, timed[name], rates[name]) for name in timed},
            examined={
                f"teachers.{name}": rates[name] / (each.gain or 1.0) for name, each in timed.items()
            },
            bank=costs,
            cores=self.cores,
            parallel=parallel,
            unkept=bank.unkept,
            start_seconds=start_seconds(student.cohort[0].engine.kind) if parallel else 0.0,
        )
        training = {name: trained.get(f"teachers.{name}") for name in timed}
        told = {
            name: each.told(rates[name], costs_of.rate if (costs_of := training[name]) else None)
            for name, each in timed.items()
        }
        return Measured(parts, told, bank.measured(costs), stored, holdings.views)

    def _is_stored(self, stage: Stage) -> bool:
        return read_outcome(self.role_specs.store.folder(stage.digest)) is not None

    def _shelving(self) -> BankShelves:
        role_specs = self.role_specs
        return BankShelves(
            role_specs.plan, role_specs.store, self.transfer_set, role_specs.hint_shapes
        )

    def _teachers(
        self, student: Stage, stored: frozenset[str], holdings: Holdings
    ) -> dict[str, TimedTeacher]:
        """The teachers of the student, and those that are only examined, in their manners."""
        timing = TeacherTiming(self.role_specs, self._shelving(), self.cores, holdings)
        found = {}
        for name in self.role_specs.plan.recipe.teachers:
            own = self.role_specs.plan.stage(f"teachers.{name}")
            if name in student.teachers or (own.kind == "examine" and own.digest not in stored):
                self.say(f"trying how teacher '{name}' is best run")
                found[name] = timing.begun(name, student, fresh=own.digest not in stored)
        return found

    def _as_role(self, name: str, timed: TimedTeacher, rate: float) -> Role:
        replicas = self.role_specs.plan.recipe.teachers[name].replicas
        threads = timed.teacher.inference.threads
        return role(rate, threads=threads, processes=replicas, cores=self.cores)

    def _trained(self, stage: Stage) -> StudentCosts:
        """A teacher that is still to be trained, in training."""
        self.say(f"timing the training of {stage.name}")
        threads = resolve(stage, self.role_specs.plan, self.cores)["student"]
        lessons = NoTeachers(self.transfer_set.classes)
        with closing(self._spec(stage, stage.cohort[0], threads, lessons)) as spec:
            for _ in range(ROUNDS_OF_TEACHERS + 1):
                spec.take_turn(self.seconds)
            return spec.costs()

    def _rounds(
        self, stage: Stage, timed: Mapping[str, TimedTeacher], holdings: Holdings
    ) -> tuple[dict[str, StudentCosts], StudentCosts, dict[str, float]]:
        """All take turns: the student beside its teachers and the untaught one, by stage's name;
        the student on the threads that it has when no teacher is started; the teachers' rates.
        """
        self.say("timing teachers and student, taught and untaught, in turns")
        beside, alone = self._threads(stage, holdings)
        spec = stage.cohort[0]
        untaught = replace(spec, objective={"task": Task(weight=1.0)}, path="controls.untaught")
        nobody, lessons = NoTeachers(self.transfer_set.classes), self._lessons(stage, timed)
        with ExitStack() as stack:

            def begun(spec: StudentSpec, threads: int, lessons: KnowledgeSource) -> TimedStudent:
                return stack.enter_context(closing(self._spec(stage, spec, threads, lessons)))

            base = begun(untaught, self._untaught_threads(alone), nobody)
            each = {"student": begun(spec, beside, lessons)}
            each["alone"] = each["student"] if alone == beside else begun(spec, alone, lessons)
            each["controls.untaught"] = base
            for _ in range(ROUNDS + 1):
                for student in dict.fromkeys(each.values()):
                    student.take_turn(self.seconds)
                for teacher in timed.values():
                    teacher.take_turn(self.seconds)
            costs = {
                name: replace(one.costs(), rate=rate_beside(one.rates, base.rates))
                for name, one in each.items()
            }
        rates = {name: rate_beside(one.rates, base.rates) for name, one in timed.items()}
        alone_costs = costs.pop("alone")
        costs["controls.label_smoothing"] = costs["controls.untaught"]
        return costs, alone_costs, rates

    def _threads(self, stage: Stage, holdings: Holdings) -> tuple[int, int]:
        """Of each rank of the student: beside its teachers, and when none is started."""
        nobody = holdings.prospect(stage, stored=frozenset(stage.teachers))
        beside, alone = (
            resolve(stage, self.role_specs.plan, self.cores, known)["student"]
            for known in (holdings.prospect(stage), nobody)
        )
        return beside, alone

    def _untaught_threads(self, alone: int) -> int:
        plan = self.role_specs.plan
        own = [stage for stage in plan.stages if stage.name == "controls.untaught"]
        return resolve(own[0], plan, self.cores)["student"] if own else alone

    def _lessons(self, stage: Stage, timed: Mapping[str, TimedTeacher]) -> KnowledgeSource:
        if not stage.teachers:
            return NoTeachers(self.transfer_set.classes)
        spec = stage.cohort[0]
        question = Question(0, sample_ids(self.transfer_set, spec.samples)[: spec.train.micro])
        ensemble = ensemble_of(stage, self.role_specs.plan, self.transfer_set)
        answers = [timed[name].answer(question) for name in stage.teachers]
        return CannedLessons(ensemble, answers)

    def _spec(
        self, stage: Stage, spec: StudentSpec, threads: int, lessons: KnowledgeSource
    ) -> TimedStudent:
        resolved = resolve(stage, self.role_specs.plan, self.cores)
        task = self.role_specs.assignments(stage, 1, resolved)[0]
        work = self.scratch / f"{spec.path}-{threads}"
        work.mkdir(parents=True)
        told = replace(task, spec=spec, threads=threads)
        return TimedStudent(told, self.transfer_set, lessons, work)


def _is_taught_here(stage: Stage, stored: frozenset[str]) -> bool:
    """Whether it is a teacher that is still to be trained."""
    own = stage.kind == "teach" and stage.name.startswith("teachers.")
    return own and stage.digest not in stored


def rate_beside(own: Sequence[float], base: Sequence[float]) -> float:
    """A rate by its share of ``base``'s in the same rounds, which a busy machine leaves alone."""
    return median(one / other for one, other in zip(own, base, strict=True)) * median(base)

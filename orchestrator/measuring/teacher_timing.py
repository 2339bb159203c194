"""Times a teacher as its host runs it: views are made, and answers computed in its manner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count

import numpy as np

from orchestrator.measuring.measured_plan import MeasuredTeacher
from orchestrator.measuring.shelves import Holdings
from orchestrator.placing import Placing, device
from orchestrator.plan import Stage
from orchestrator.resolution import resolve
from orchestrator.shelving import Shelving
from students.knowledge import Answer, Question
from students.making import build_student_model, student_preprocess
from students.models.config import Weights
from students.network import Network
from students.objectives.catalog import taps_of
from students.order import Ids
from students.outcome import weights_file
from students.threads import computing_on
from students.transfer_sets.transfer_set import TransferSet
from teachers.loading import load_network
from teachers.manner import Manner, plain
from teachers.teacher import Teacher

FEWEST = 3
"""Forward passes that are timed, however long they take."""


@dataclass(frozen=True)
class TimedTeacher:
    """A teacher that was timed: what is told of it, samples/s in plain fp32, and itself."""

    told: MeasuredTeacher
    plain_rate: float
    teacher: Teacher
    transfer_set: TransferSet

    def answer(self, question: Question) -> Answer:
        """One answer, with the views it takes made first."""
        return _answer(self.teacher, self.transfer_set, question)


@dataclass(frozen=True)
class TeacherTiming:
    """Builds and times the teachers of a plan, each for ``seconds``, on ``cores`` cores."""

    placing: Placing
    shelving: Shelving
    cores: int
    seconds: float
    holdings: Holdings

    def timed(self, name: str, stage: Stage, *, fresh: bool) -> TimedTeacher:
        """Teacher ``name`` as it answers in ``stage``; ``fresh``: with weights that nobody has
        trained yet, where it has no others."""
        plan = self.placing.plan
        config = plan.recipe.teachers[name]
        threads, place = self._threads(name, stage), device(config.resources)
        taps = taps_of(stage.cohort[0].objective).get(name, ()) if stage.teachers else ()
        fresh = fresh and config.weights is None
        network = self._fresh(name) if fresh else self._loaded(name)
        slow = Teacher(network, taps, manner=plain(threads), device=place)
        plain_rate = answering_rate(slow, self.shelving.transfer_set, self.seconds)
        manner = self.holdings.settled.get(name) or self._manner(name, network, threads)
        teacher, rate = slow, plain_rate
        if manner != slow.manner:
            teacher = Teacher(network, taps, manner=manner, device=place)
            rate = answering_rate(teacher, self.shelving.transfer_set, self.seconds)
        gain = None if teacher is slow else rate / plain_rate
        told = MeasuredTeacher(str(manner), threads, rate, gain, fresh=fresh)
        return TimedTeacher(told, plain_rate, teacher, self.shelving.transfer_set)

    def _threads(self, name: str, stage: Stage) -> int:
        """The threads that it has beside the student, or those of its examination."""
        plan = self.placing.plan
        if name in stage.teachers:
            known = self.holdings.prospect(stage)
            return resolve(stage, plan, self.cores, known)["teachers"][name]
        return resolve(plan.stage(f"teachers.{name}"), plan, self.cores)["student"]

    def _loaded(self, name: str) -> Network:
        plan = self.placing.plan
        config, stage = plan.recipe.teachers[name], plan.stage(f"teachers.{name}")
        trained = weights_file(self.placing.store.folder(stage.digest))
        return load_network(
            config.model,
            config.weights or Weights(path=str(trained)),
            transfer_set=self.shelving.transfer_set,
            folder=plan.folder,
            path=f"teachers.{name}.weights",
        )

    def _fresh(self, name: str) -> Network:
        """The teacher as it begins its own training."""
        plan = self.placing.plan
        stage = plan.stage(f"teachers.{name}")
        task = self.placing.assignments(stage, 1, resolve(stage, plan, self.cores))[0]
        model = build_student_model(task, self.shelving.transfer_set)
        return Network(student_preprocess(task, self.shelving.transfer_set), model).eval()

    def _manner(self, name: str, network: Network, threads: int) -> Manner:
        asked = self.placing.plan.recipe.teachers[name].precision
        return plain(threads, "fp32" if asked == "auto" else asked)


def answering_rate(teacher: Teacher, transfer_set: TransferSet, seconds: float) -> float:
    """Samples a second that one replica answers, measured for about ``seconds``."""
    samples = teacher.manner.forward_batch
    with computing_on(teacher.manner.threads):
        _answer(teacher, transfer_set, _question(transfer_set, 0, samples))
        began = time.perf_counter()
        for number in count(1):
            _answer(teacher, transfer_set, _question(transfer_set, number, samples))
            spent = time.perf_counter() - began
            if number >= FEWEST and spent >= seconds:
                return number * samples / spent
    raise AssertionError("it goes on until it returns")


def _answer(teacher: Teacher, transfer_set: TransferSet, question: Question) -> Answer:
    batch = transfer_set.batch(question.sample_ids, question.view)
    return teacher.answer(batch.inputs)


def _question(transfer_set: TransferSet, number: int, samples: int) -> Question:
    places = np.arange(number * samples, (number + 1) * samples)
    ids: Ids = np.take(transfer_set.student_ids(), places, mode="wrap")
    return Question(number, ids)

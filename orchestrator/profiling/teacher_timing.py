"""Times a teacher as its host runs it: views are made, and answers computed in its manner."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from orchestrator.execution.bank_shelves import BankShelves
from orchestrator.execution.role_specs import RoleSpecs, device
from orchestrator.planning.plan import Stage
from orchestrator.planning.thread_allocation import resolve
from orchestrator.profiling.bank_contents import Holdings
from orchestrator.profiling.measured_plan import MeasuredTeacher
from students.knowledge import Answer, Question
from students.models.config import Weights
from students.models.network import Network
from students.models.profile import costs
from students.objectives.term import taps_of
from students.storage.outcome import weights_file
from students.torch_state import computing_on
from students.training.build import student_network
from students.transfer_sets.sampler import Ids
from students.transfer_sets.transfer_set import TransferSet
from teachers.inference.inference_config import plain
from teachers.inference.loading import load_network
from teachers.inference.teacher import Teacher
from teachers.qualification.autotune import WORTH_MACS, tune
from teachers.qualification.parity_verdict import probe_of
from teachers.qualification.records import Tuning, read_tuning


@dataclass
class TimedTeacher:
    """A teacher that answers a turn at a time; ``gain`` is how many times faster than plain fp32
    it was when its manner was chosen, ``fresh``: with weights that nobody has trained."""

    teacher: Teacher
    transfer_set: TransferSet
    gain: float | None
    fresh: bool
    rates: list[float] = field(default_factory=list)
    _asked: int = 0

    def answer(self, question: Question) -> Answer:
        """One answer, with the views it takes made first."""
        batch = self.transfer_set.batch(question.sample_ids, question.view)
        return self.teacher.answer(batch.inputs)

    def take_turn(self, seconds: float) -> None:
        """Answers for about so long, and notes the samples/s; the first turn warms up."""
        first, began = self._asked == 0, time.perf_counter()
        answered = 0
        while answered == 0 or time.perf_counter() - began < seconds:
            answered += len(self._next_question())
        if not first:
            self.rates.append(answered / (time.perf_counter() - began))

    def _next_question(self) -> Ids:
        """Answers one forward batch; gives its ids."""
        samples, number = self.teacher.inference.forward_batch, self._asked
        places = np.arange(number * samples, (number + 1) * samples)
        ids: Ids = np.take(self.transfer_set.student_ids(), places, mode="wrap")
        with computing_on(self.teacher.inference.threads):
            self.answer(Question(number, ids))
        self._asked += 1
        return ids

    def told(self, rate: float, training_rate: float | None) -> MeasuredTeacher:
        """What is told of it."""
        inference = self.teacher.inference
        return MeasuredTeacher(
            str(inference), inference.threads, rate, self.gain, training_rate, self.fresh
        )


@dataclass(frozen=True)
class TeacherTiming:
    """Builds the teachers of a plan as they are run, on a machine of ``cores`` cores."""

    role_specs: RoleSpecs
    bank_shelves: BankShelves
    cores: int
    holdings: Holdings

    def begun(self, name: str, stage: Stage, *, fresh: bool) -> TimedTeacher:
        """Teacher ``name`` as it answers in ``stage``; ``fresh``: with weights that nobody has
        trained yet, where it has no others."""
        config = self.role_specs.plan.recipe.teachers[name]
        taps = taps_of(stage.cohort[0].objective).get(name, ()) if stage.teachers else ()
        fresh = fresh and config.weights is None
        network = self._fresh(name) if fresh else self._loaded(name)
        tuning = self._tuning(name, stage, network)
        teacher = Teacher(network, taps, inference=tuning.chosen, device=device(config.resources))
        gain = None if tuning.chosen == plain(tuning.chosen.threads) else tuning.gain
        return TimedTeacher(teacher, self.bank_shelves.transfer_set, gain, fresh)

    def _threads(self, name: str, stage: Stage) -> int:
        """The threads that it has beside the student, or those of its examination."""
        plan = self.role_specs.plan
        if name in stage.teachers:
            known = self.holdings.prospect(stage)
            return resolve(stage, plan, self.cores, known)["teachers"][name]
        return resolve(plan.stage(f"teachers.{name}"), plan, self.cores)["student"]

    def _loaded(self, name: str) -> Network:
        plan = self.role_specs.plan
        config, stage = plan.recipe.teachers[name], plan.stage(f"teachers.{name}")
        trained = weights_file(self.role_specs.store.folder(stage.digest))
        return load_network(
            config.model,
            config.weights or Weights(path=str(trained)),
            transfer_set=self.bank_shelves.transfer_set,
            folder=plan.folder,
            path=f"teachers.{name}.weights",
            classes=config.classes,
        )

    def _fresh(self, name: str) -> Network:
        """The teacher as it begins its own training."""
        plan = self.role_specs.plan
        stage = plan.stage(f"teachers.{name}")
        task = self.role_specs.assignments(stage, 1, resolve(stage, plan, self.cores))[0]
        return student_network(task, self.bank_shelves.transfer_set).eval()

    def _tuning(self, name: str, stage: Stage, network: Network) -> Tuning:
        """As a run has settled it, or would but for compiling, which takes longer than all this."""
        config, data = self.role_specs.plan.recipe.teachers[name], self.bank_shelves.transfer_set
        settled, threads = self.holdings.settled.get(name), self._threads(name, stage)
        if settled is not None:
            found = read_tuning(self.bank_shelves.folder(name))
            same = found is not None and found.chosen == settled
            return found if found and same else Tuning(settled, None, None)
        if config.precision != "auto":
            return Tuning(plain(threads, config.precision), None, None)
        macs = costs(network, data.shape).macs
        samples = self.bank_shelves.samples_to_answer(stage) if stage.teachers else 0
        return tune(
            network,
            taps_of(stage.cohort[0].objective).get(name, ()),
            data.batch(probe_of(data, macs, config.classes).sample_ids, 0).inputs,
            threads=threads,
            device=device(config.resources),
            temperature=stage.ensemble.temperature,
            # So many are worth a short search, and not worth compiling.
            samples_to_answer=min(samples, int(2 * WORTH_MACS / max(1, macs))),
        )

"""Chooses how a teacher is run, and refuses one that fails the parity gate.

Waits for the teacher's answers to the probe; freed by them, or by the runtime being closed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.runtime import Handle
from orchestrator.execution.finished_network import finished_network
from orchestrator.home.store import Store
from orchestrator.planning.plan import Plan
from students.knowledge import LOGITS, Answer, Tap
from students.storage.outcome import read_outcome
from students.training.warning_relay import LOGGER
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.columns import Column
from teachers.errors import TeacherError
from teachers.inference.answer_encoding import NotNumbers, decode
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.qualification.parity_verdict import Probe, assess, at_temperature, choose_probe
from teachers.qualification.preprocessing_variants import find_better_preprocessing
from teachers.qualification.records import (
    ProbeAnswers,
    Tuning,
    Verdict,
    read_probe_answers,
    read_record,
    store_config,
    stored_config,
    write_probe_answers,
    write_record,
)
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost

VIEW = 0
"""Of the probe's samples: all teachers of a transfer set answer its own views."""


@dataclass(frozen=True)
class ParityGate:
    """Stores the chosen config and each verdict beside the teacher's answers."""

    plan: Plan
    store: Store
    transfer_set: TransferSet

    def choose_config(
        self,
        name: str,
        handle: Handle[TeacherHost],
        folder: Path,
        threads: int,
        taps: Sequence[Tap],
        samples_to_answer: int,
    ) -> InferenceConfig:
        """How the teacher is run: as stored in the shelf's ``folder``, else chosen now and stored.

        The first process to store its choice decides. Under ``precision: auto`` the running teacher
        is tuned for ``samples_to_answer`` answers with ``taps``.
        """
        stored, precision = stored_config(folder), self.plan.recipe.teachers[name].precision
        if stored is not None:
            return stored
        if precision == "auto":
            ids, temperature = self._probe(name).sample_ids, self.plan.recipe.ensemble.temperature
            asked = (ids, taps, temperature, samples_to_answer)
            tuning = handle.call(TeacherHost.tune, *asked).result()
        else:
            reason = f"the recipe says {precision}"
            tuning = Tuning(plain(threads, precision), None, None, (), reason)
        store_config(folder, tuning.chosen)
        config = stored_config(folder)
        if config == tuning.chosen:
            write_record(folder, tuning)
        return config or tuning.chosen

    def is_admitted(
        self, name: str, folder: Path, inference: InferenceConfig, temperature: float
    ) -> bool:
        """Whether the teacher, run as ``inference``, has passed the gate, or failed with a warning.

        For another temperature the stored answers to the probe are compared again.
        """
        verdict, answers = read_record(folder, Verdict), read_probe_answers(folder, inference)
        if verdict is None or answers is None or verdict.inference != inference:
            return False
        if verdict.temperature != temperature:
            verdict = at_temperature(name, verdict, answers, temperature)
        return verdict.passes or self._only_warns(name)

    def admit(
        self,
        name: str,
        handle: Handle[TeacherHost],
        folder: Path,
        asked: AnswerSpec,
        temperature: float,
    ) -> Verdict:
        """Evaluates the teacher by its answers to the probe, as they are asked for by a student,
        and stores the verdict.

        Raises:
            TeacherError: it fails, and its ``gate`` is not ``warn``.
        """
        config, probe = self.plan.recipe.teachers[name], self._probe(name)
        inference = asked.inference
        stage = self.plan.stage(f"teachers.{name}")
        network = finished_network(self.plan, self.store, stage, self.transfer_set)
        images = self.transfer_set.batch(probe.sample_ids, VIEW).inputs
        usual = plain(inference.threads)
        try:
            reference = Teacher(network, inference=usual).answer(images)
        except NotNumbers as error:
            raise error.as_error(name, probe.sample_ids, usual) from error
        answers = self._ask(handle, probe, asked, reference)
        better = None
        # Of a teacher that was trained here the preprocessing is certain.
        if probe.labels is not None and config.weights is not None:
            better = find_better_preprocessing(
                network,
                config.model.preprocessing,
                images,
                probe.labels,
                mean=self.transfer_set.mean,
                std=self.transfer_set.std,
                plain=answers.plain,
                threads=inference.threads,
            )
        verdict = assess(
            name,
            answers,
            probe.labels,
            better,
            inference=inference,
            temperature=temperature,
            classes=config.classes,
            loaded=config.weights is not None,
        )
        write_probe_answers(folder, inference, answers)
        write_record(folder, verdict)
        self._enforce(name, verdict)
        return verdict

    def _ask(
        self, handle: Handle[TeacherHost], probe: Probe, asked: AnswerSpec, reference: Answer
    ) -> ProbeAnswers:
        """The teacher's answers to the probe, some of them twice, in batches of other samples."""
        ids = probe.sample_ids
        given = handle.call(TeacherHost.probe, ids, VIEW, asked).result().logits
        backward = np.arange(len(ids))[::-1][: len(ids) // 2 + 1].copy()
        again = handle.call(TeacherHost.probe, ids[backward], VIEW, asked).result().logits
        # What `top_k` leaves out is left out of both.
        column = Column(LOGITS, (self.transfer_set.classes,), asked.top_k)
        return ProbeAnswers(
            decode(given),
            decode(column.as_stored(reference.logits)),
            np.array_equal(again, given[backward]),
        )

    def _enforce(self, name: str, verdict: Verdict) -> None:
        sentences = [*verdict.problems, *filter(None, [verdict.unfaithful])]
        if sentences and not self._only_warns(name):
            raise TeacherError("\n".join(sentences), path=f"teachers.{name}")
        for sentence in (*sentences, *verdict.doubts):
            logging.getLogger(LOGGER).warning(sentence)

    def _only_warns(self, name: str) -> bool:
        return self.plan.recipe.teachers[name].gate == "warn"

    def _probe(self, name: str) -> Probe:
        outcome = read_outcome(self.store.folder(self.plan.stage(f"teachers.{name}").digest))
        known = self.plan.recipe.teachers[name].classes
        return choose_probe(self.transfer_set, outcome.macs if outcome else 0, known)

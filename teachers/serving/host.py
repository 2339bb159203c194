"""The roles that a runtime starts for a teacher: one that answers a student, one that evaluates.

Each has the network and the transfer set in its process, so that it makes the views itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from students.evaluation.evaluate import evaluate
from students.knowledge import LOGITS, Answer, Columns, Question, Tap, columns_of
from students.models.config import Model, Weights
from students.models.network import Network
from students.storage.outcome import write_outcome
from students.torch_state import use_threads
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import TransferSetConfig
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.columns import Column, Ids
from teachers.bank.shelf import Shelf
from teachers.inference.answer_encoding import NotNumbers
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.loading import load_network
from teachers.inference.teacher import Teacher
from teachers.qualification.autotune import tune
from teachers.qualification.records import Tuning
from teachers.serving.batcher import Batcher
from teachers.serving.view_cache import ViewCache


@dataclass(frozen=True)
class TeacherSpec:
    """What a teacher is built from, wherever it runs.

    ``weights`` are a file; relative paths, and custom code, are looked up beside the recipe in
    ``folder``; ``cache`` is where the transfer set stores what it has decoded. Without an
    ``inference`` config it runs in plain fp32 on ``threads`` until ``TeacherHost.adopt``; its
    answers are stored on the ``shelf``, if there is one, of the logits the ``top_k`` largest.
    ``classes`` are those that its outputs stand for, if not all in order.
    """

    name: str
    model: Model
    weights: Weights
    transfer_set: TransferSetConfig
    folder: Path
    cache: Path
    taps: tuple[Tap, ...] = ()
    threads: int = 1
    device: str = "cpu"
    inference: InferenceConfig | None = None
    shelf: Shelf | None = None
    top_k: int | None = None
    classes: tuple[int, ...] | None = None

    def load_transfer_set(self) -> TransferSet:
        """The transfer set whose views the teacher answers for."""
        return load_transfer_set(self.transfer_set, folder=self.folder, cache=self.cache)

    def load_network(self, transfer_set: TransferSet) -> Network:
        """The network with its weights."""
        return load_network(
            self.model,
            self.weights,
            transfer_set=transfer_set,
            folder=self.folder,
            path=f"teachers.{self.name}.weights",
            classes=self.classes,
        )


class TeacherHost:
    """One replica of a teacher, which answers the questions of students' ranks."""

    def __init__(self, spec: TeacherSpec) -> None:
        self.spec = spec
        self.transfer_set = spec.load_transfer_set()
        self._network = spec.load_network(self.transfer_set)
        self._logits = Column(LOGITS, (self.transfer_set.classes,), spec.top_k)
        self.teacher = self._build(spec.inference or plain(spec.threads))
        self._shelf = spec.shelf
        self._cache = ViewCache(spec.shelf)
        self._has_warned = False
        # Several ranks may stream at one time; the network computes for one of them at a time,
        # so that its threads are never shared.
        self._one_at_a_time = threading.Lock()

    def adopt(self, inference: InferenceConfig, shelf: Shelf | None) -> None:
        """From now on runs the teacher with ``inference`` and stores its answers on ``shelf``.

        Does nothing where it does so already, as for a teacher that was never lost.
        """
        with self._one_at_a_time:
            if inference != self.teacher.inference:
                self.teacher = self._build(inference)
            if shelf != self._shelf:
                self._cache.close()
                self._shelf, self._cache = shelf, ViewCache(shelf)

    def reload(self) -> None:
        """Builds the teacher again from its files, as when it was started; run as it was."""
        with self._one_at_a_time:
            self._network = self.spec.load_network(self.transfer_set)
            self.teacher = self._build(self.teacher.inference)

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer for each question, in their order; what is stored is not computed.

        Raises:
            InvalidAnswer: an answer is not a number.
        """

        def view_and_columns(question: Question) -> tuple[int, tuple[str, ...]]:
            return question.view, columns_of(question.taps_from(self.spec.name, self.spec.taps))

        for (view, columns), alike in groupby(questions, view_and_columns):
            compute = partial(self._compute, columns, view=view)
            batch = self.teacher.inference.forward_batch
            with self._cache.opened(view, columns) as cache:
                batcher = Batcher(cache, compute, batch, self._one_at_a_time)
                for answer in batcher.answers(alike):
                    yield replace(answer, warning=self._warning(cache.trouble))

    def probe(self, sample_ids: Ids, view: int) -> Answer:
        """Computes the answer to samples [B] under ``view`` without looking into the bank."""
        with self._one_at_a_time:
            return Answer(self._compute(columns_of(self.spec.taps), sample_ids, view))

    def tune(self, sample_ids: Ids, temperature: float, samples_to_answer: int) -> Tuning:
        """Finds how the teacher is best run, by samples [B]; the config in use stays."""
        pictures = self.transfer_set.batch(sample_ids, 0).inputs
        usual = plain(self.teacher.inference.threads)
        with self._one_at_a_time:
            try:
                return tune(
                    self._network,
                    self.spec.taps,
                    pictures,
                    threads=usual.threads,
                    device=self.spec.device,
                    temperature=temperature,
                    samples_to_answer=samples_to_answer,
                    cache=self.spec.cache,
                )
            except NotNumbers as error:
                # In plain fp32 itself; a pass may repeat the samples.
                repeated = np.resize(sample_ids, error.row + 1)
                raise error.as_error(self.spec.name, repeated, usual) from error

    def _compute(self, columns: Sequence[str], sample_ids: Ids, view: int) -> Columns:
        """The ``columns`` of the teacher's answer, as they are read back once they are stored."""
        pictures = self.transfer_set.batch(sample_ids, view).inputs
        try:
            answer = self.teacher.answer(pictures)
        except NotNumbers as error:
            raise error.as_error(self.spec.name, sample_ids, self.teacher.inference) from error
        values = {**answer.columns, LOGITS: self._logits.as_stored(answer.logits)}
        return {name: values[name] for name in columns}

    def _build(self, inference: InferenceConfig) -> Teacher:
        teacher = Teacher(
            self._network,
            self.spec.taps,
            inference=inference,
            device=self.spec.device,
            cache=self.spec.cache,
        )
        if inference.compiled:
            # Now, and not while a student waits. Values that are no numbers are not reported here:
            # the first answer to a student reports them.
            with suppress(NotNumbers):
                teacher.answer(self.transfer_set.inputs[:1])
        return teacher

    def _warning(self, trouble: str) -> str:
        if self._has_warned or not trouble:
            return ""
        self._has_warned = True
        return f"teacher '{self.spec.name}': {trouble}"


@dataclass(frozen=True)
class Examiner:
    """Evaluates a teacher whose weights were trained elsewhere, in plain fp32."""

    spec: TeacherSpec
    stage_folder: Path
    attempt: int

    def examine(self) -> None:
        """Writes the outcome: figures and answers on the validation and test part, no weights."""
        began, spec = time.monotonic(), self.spec
        with use_threads(spec.threads):
            transfer_set = spec.load_transfer_set()
            outcome, answers = evaluate(spec.load_network(transfer_set), transfer_set)
        outcome = replace(outcome, seconds=time.monotonic() - began)
        write_outcome(self.stage_folder, self.attempt, outcome, weights={}, answers=answers)

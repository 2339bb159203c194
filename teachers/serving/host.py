"""The role of a teacher, which answers students.

It has the network and the transfer set in its process, so that it makes the views itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from students.custom_code import custom_code_errors
from students.fault_injection import planned_faults
from students.knowledge import LOGITS, Answer, Columns, Question, Tap, columns_of
from students.models.build import build_network
from students.models.config import Model, Weights
from students.models.network import Network
from students.transfer_sets.catalog import load_planned
from students.transfer_sets.planned_data import PlannedData
from students.transfer_sets.transfer_set import TransferSet
from teachers.bank.columns import Column, Ids
from teachers.inference.answer_encoding import NotNumbers
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.qualification.autotune import tune
from teachers.qualification.records import Tuning
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.batcher import Batcher
from teachers.serving.view_cache import ViewCaches


@dataclass(frozen=True)
class TeacherSpec:
    """What a teacher is, wherever it runs and whatever it is asked.

    ``path`` is its place in the recipe. ``weights`` are a file. It answers for the views of the
    transfer set ``data``, and is evaluated and tuned on ``threads``. ``classes`` are those that its
    outputs stand for, if not all in order.
    """

    name: str
    path: str
    model: Model
    weights: Weights
    data: PlannedData
    threads: int = 1
    device: str = "cpu"
    classes: tuple[int, ...] | None = None

    def load_network(self, transfer_set: TransferSet) -> Network:
        """The network with its weights."""
        return build_network(
            self.model,
            transfer_set,
            self.data.folder,
            path=self.path,
            weights=self.weights,
            classes=self.classes,
        ).eval()


class TeacherHost:
    """One replica of a teacher, which answers the questions of students' ranks, of several stages
    at one time: what one of them asks travels with its questions, and none changes what another
    is answered."""

    def __init__(self, spec: TeacherSpec) -> None:
        self.spec = spec
        self.transfer_set = load_planned(spec.data)
        self._network = spec.load_network(self.transfer_set)
        self._teachers: dict[InferenceConfig, Teacher] = {}
        self._caches = ViewCaches()
        self._warned = {""}
        self._out_of_range = ""
        self._before_answer = planned_faults(f"teacher {spec.name}")
        self._answered = itertools.count()
        # Several ranks may stream at one time; the network computes for one of them at a time,
        # so that its threads are never shared.
        self._one_at_a_time = threading.Lock()

    def prepare(self, answers: AnswerSpec) -> None:
        """Builds the teacher that gives these ``answers``, and compiles it if it is to be.

        To be called before a student waits, for compiling takes seconds to minutes. All other
        streams wait too, since torch cannot compile while the process computes; so it is done
        once for each inference config, whatever taps and shelves it is used with.
        """
        with self._one_at_a_time:
            self._teacher(answers.inference)

    def reload(self) -> None:
        """Loads the network again from its file, as when the host was started."""
        self.spec.data.check_models()
        with self._one_at_a_time:
            self._network = self.spec.load_network(self.transfer_set)
            self._teachers.clear()

    def answers(self, questions: Sequence[Question], answers: AnswerSpec) -> Iterator[Answer]:
        """One answer for each question, in their order; what is stored is not computed.

        Raises:
            InvalidAnswer: an answer is not a number.
        """

        def view_and_columns(question: Question) -> tuple[int, tuple[str, ...]]:
            return question.view, columns_of(question.taps_from(self.spec.name, answers.taps))

        for (view, columns), alike in groupby(questions, view_and_columns):
            compute = partial(self._compute, answers, columns, view)
            batch = answers.inference.forward_batch
            with self._caches.opened(answers.shelf, view, columns) as cache:
                batcher = Batcher(cache, compute, batch, self._one_at_a_time)
                for answer in batcher.answers(alike):
                    if self._before_answer is not None:
                        self._before_answer(next(self._answered))
                    warning = self._warning(cache.trouble) or self._warning(self._out_of_range)
                    yield replace(answer, warning=warning)

    def probe(self, sample_ids: Ids, view: int, answers: AnswerSpec) -> Answer:
        """Computes the answer to samples [B] under ``view`` without looking into the bank."""
        with self._one_at_a_time:
            return Answer(self._compute(answers, columns_of(answers.taps), view, sample_ids))

    def tune(
        self, sample_ids: Ids, taps: Sequence[Tap], temperature: float, samples_to_answer: int
    ) -> Tuning:
        """Finds by samples [B] how the teacher, asked for ``taps``, is best run; all streams wait
        meanwhile."""
        pictures = self.transfer_set.batch(sample_ids, 0).inputs
        usual = plain(self.spec.threads)
        with self._one_at_a_time:
            try:
                with custom_code_errors(self.spec.path):
                    return tune(
                        self._network,
                        taps,
                        pictures,
                        threads=usual.threads,
                        device=self.spec.device,
                        temperature=temperature,
                        samples_to_answer=samples_to_answer,
                        cache=self.spec.data.cache,
                    )
            except NotNumbers as error:
                # In plain fp32 itself; a pass may repeat the samples.
                repeated = np.resize(sample_ids, error.row + 1)
                raise error.as_error(self.spec.name, self.spec.path, repeated, usual) from error

    def _compute(
        self, answers: AnswerSpec, columns: Sequence[str], view: int, sample_ids: Ids
    ) -> Columns:
        """The ``columns`` of the teacher's answer, as they are read back once they are stored.

        All taps of a stage are computed, also in an epoch that asks for some of them: of a folded
        network, the bits of one tap may depend on which others are read.
        """
        pictures = self.transfer_set.batch(sample_ids, view).inputs
        try:
            with custom_code_errors(self.spec.path):
                answer = self._teacher(answers.inference).answer(pictures, answers.taps)
        except NotNumbers as error:
            name, path = self.spec.name, self.spec.path
            raise error.as_error(name, path, sample_ids, answers.inference) from error
        self._out_of_range = self._out_of_range or answer.warning
        logits = Column(LOGITS, (self.transfer_set.classes,), answers.top_k)
        values = {**answer.columns, LOGITS: logits.as_stored(answer.logits)}
        return {name: values[name] for name in columns}

    def _teacher(self, inference: InferenceConfig) -> Teacher:
        """The teacher that is run so, built at the first use; to be called by the one stream that
        computes."""
        teacher = self._teachers.get(inference)
        if teacher is None:
            teacher = Teacher(
                self._network,
                inference=inference,
                device=self.spec.device,
                cache=self.spec.data.cache,
            )
            if inference.compiled:
                # Values that are no numbers are reported by the first answer to a student.
                with suppress(NotNumbers):
                    teacher.answer(self.transfer_set.inputs[:1])
            self._teachers[inference] = teacher
        return teacher

    def _warning(self, trouble: str) -> str:
        if trouble in self._warned:
            return ""
        self._warned.add(trouble)
        return f"teacher '{self.spec.name}': {trouble}"

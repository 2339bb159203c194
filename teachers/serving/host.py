"""A teacher with the transfer set beside it: asked for samples, it makes the views itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from students.knowledge import Answer, Question, Tap
from students.models.config import ModelConfig, Weights
from students.models.network import Network
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import TransferSetConfig
from teachers.bank.shelf import Shelf
from teachers.inference.answer_encoding import NotNumbers
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.loading import load_network
from teachers.inference.teacher import Teacher
from teachers.qualification.autotune import tune
from teachers.qualification.records import Tuning
from teachers.serving.answer_columns import Values, answer_of, logits_column, values_of, wanted
from teachers.serving.batcher import Answering
from teachers.serving.view_cache import ViewCache
from teachers.spoilt import spoilt

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TeacherSpec:
    """What a teacher is built from, wherever it runs.

    ``weights`` lie in a file; relative paths, and custom code, lie beside the recipe in
    ``folder``; ``cache`` is where the transfer set keeps what it has decoded. Without a
    ``manner`` it is run plainly on ``threads`` until it is told one (``TeacherHost.adopt``);
    its answers are kept on the ``shelf``, if there is one, of the logits the ``top_k`` largest.
    ``classes`` are those that its outputs stand for, if not all in order.
    """

    name: str
    model: ModelConfig
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


class TeacherHost:
    """The role that a runtime starts for each replica of a teacher."""

    def __init__(self, spec: TeacherSpec) -> None:
        self.spec = spec
        self.transfer_set = load_transfer_set(
            spec.transfer_set, folder=spec.folder, cache=spec.cache
        )
        self._network = self._loaded()
        self._logits = logits_column(self.transfer_set.classes, spec.top_k)
        self.teacher = self._run_in(spec.inference or plain(spec.threads))
        self._shelf = spec.shelf
        self._books = self._books_on(spec.shelf)
        self._remarked = False
        # Several ranks may stream at one time; the network answers one of them at a time,
        # so that its threads are never shared.
        self._one_at_a_time = threading.Lock()

    def adopt(self, inference: InferenceConfig, shelf: Shelf | None) -> None:
        """From now on runs the teacher in ``manner`` and keeps its answers on ``shelf``.

        Does nothing where it does so already, as for a teacher that was never lost.
        """
        with self._one_at_a_time:
            if inference != self.teacher.inference:
                self.teacher = self._run_in(inference)
            if shelf != self._shelf:
                self._books.close()
                self._shelf, self._books = shelf, self._books_on(shelf)

    def reload(self) -> None:
        """Builds the teacher anew from its files, as when it was started; run as it was."""
        with self._one_at_a_time:
            self._network = self._loaded()
            self.teacher = self._run_in(self.teacher.inference)

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer for each question, in their order; what is stored is not computed.

        What is missing is computed a forward batch at a time, over several questions.

        Raises:
            AnswerSpoilt: an answer is not a number.
        """
        for (view, taps), alike in groupby(questions, self._asked):
            columns = wanted(self._logits, taps)
            with self._books.opened(view, columns) as book:
                answering = Answering(
                    view,
                    book,
                    partial(self._compute_columns, columns),
                    self.teacher.inference.forward_batch,
                    self._one_at_a_time,
                )
                for found in answering.answers(alike):
                    yield answer_of(
                        found.values,
                        self._logits,
                        taps,
                        seconds=found.seconds,
                        computed=found.computed,
                        warning=self._remark(book.trouble),
                    )

    def probe(self, sample_ids: npt.NDArray[np.int64], view: int) -> Answer:
        """Computes anew what it would answer to samples [B] under ``view``, past the bank."""
        with self._one_at_a_time:
            return answer_of(self._compute(sample_ids, view), self._logits, self.spec.taps)

    def tune(
        self, sample_ids: npt.NDArray[np.int64], temperature: float, samples_to_answer: int
    ) -> Tuning:
        """Tries how the teacher is best run, by samples [B]; it goes on as it was run before."""
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
                # What cannot answer in plain fp32; a pass may repeat the samples.
                asked = np.resize(sample_ids, error.row + 1)
                raise spoilt(self.spec.name, error, asked, usual) from error

    def _asked(self, question: Question) -> tuple[int, tuple[Tap, ...]]:
        return question.view, question.taps_from(self.spec.name, self.spec.taps)

    def _compute_columns(self, columns: Sequence[str], sample_ids: Ids, view: int) -> Values:
        values = self._compute(sample_ids, view)
        return {name: values[name] for name in columns}

    def _compute(self, sample_ids: Ids, view: int) -> Values:
        pictures = self.transfer_set.batch(sample_ids, view).inputs
        try:
            return values_of(self.teacher.answer(pictures), self._logits)
        except NotNumbers as error:
            raise spoilt(self.spec.name, error, sample_ids, self.teacher.inference) from error

    def _loaded(self) -> Network:
        spec = self.spec
        return load_network(
            spec.model,
            spec.weights,
            transfer_set=self.transfer_set,
            folder=spec.folder,
            path=f"teachers.{spec.name}.weights",
            classes=spec.classes,
        )

    def _run_in(self, inference: InferenceConfig) -> Teacher:
        teacher = Teacher(
            self._network,
            self.spec.taps,
            inference=inference,
            device=self.spec.device,
            cache=self.spec.cache,
        )
        if inference.compiled:
            # Now, and not when a student waits for an answer, who is told if it is no number.
            with suppress(NotNumbers):
                teacher.answer(self.transfer_set.inputs[:1])
        return teacher

    def _books_on(self, shelf: Shelf | None) -> ViewCache:
        return ViewCache(shelf)

    def _remark(self, trouble: str) -> str:
        if self._remarked or not trouble:
            return ""
        self._remarked = True
        return f"teacher '{self.spec.name}': {trouble}"

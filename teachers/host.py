"""A teacher with the transfer set beside it: asked for samples, it makes the views itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from students.knowledge import Answer, Question, Tap
from students.models.config import ModelConfig, Weights
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import TransferSetConfig
from teachers.encoding import NotNumbers
from teachers.errors import TeacherError
from teachers.loading import load_network
from teachers.manner import PLAIN_BATCH, Precision, plain
from teachers.teacher import Teacher


@dataclass(frozen=True)
class TeacherSpec:
    """What a teacher is built from, wherever it runs.

    ``weights`` lie in a file; relative paths, and custom code, lie beside the recipe in
    ``folder``; ``cache`` is where the transfer set keeps what it has decoded.
    """

    name: str
    model: ModelConfig
    weights: Weights
    transfer_set: TransferSetConfig
    folder: Path
    cache: Path
    taps: tuple[Tap, ...] = ()
    precision: Precision = "fp32"
    threads: int = 1
    device: str = "cpu"


class TeacherHost:
    """The role that a runtime starts for each replica of a teacher."""

    def __init__(self, spec: TeacherSpec) -> None:
        self.spec = spec
        self.transfer_set = load_transfer_set(
            spec.transfer_set, folder=spec.folder, cache=spec.cache
        )
        network = load_network(
            spec.model,
            spec.weights,
            transfer_set=self.transfer_set,
            folder=spec.folder,
            path=f"teachers.{spec.name}.weights",
        )
        self.teacher = Teacher(
            network,
            spec.taps,
            manner=plain(spec.threads, spec.precision),
            device=spec.device,
        )
        # Several ranks may stream at one time; the network answers one of them at a time,
        # so that its threads are never shared.
        self._one_at_a_time = threading.Lock()

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer for each question, in their order.

        Small questions are computed together, ``PLAIN_BATCH`` samples at a time.

        Raises:
            TeacherError: an answer is not a number.
        """
        for group in grouped(questions):
            inputs = torch.cat([self._view(question) for question in group])
            with self._one_at_a_time:
                answer = self._answer(inputs)
            yield from split(answer, [len(question.sample_ids) for question in group])

    def _answer(self, inputs: Tensor) -> Answer:
        try:
            return self.teacher.answer(inputs)
        except NotNumbers as error:
            place = f"teachers.{self.spec.name}"
            raise TeacherError(
                f"teacher '{self.spec.name}' {error}; see to its weights, or take "
                f"`{place}.precision` back to fp32",
                path=place,
            ) from error

    def _view(self, question: Question) -> Tensor:
        return self.transfer_set.batch(question.sample_ids, question.view).inputs


def grouped(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Runs of questions that together have at most ``PLAIN_BATCH`` samples (or one question)."""
    group: list[Question] = []
    samples = 0
    for question in questions:
        count = len(question.sample_ids)
        if group and samples + count > PLAIN_BATCH:
            yield group
            group, samples = [], 0
        group.append(question)
        samples += count
    if group:
        yield group


def split(answer: Answer, counts: Sequence[int]) -> Iterator[Answer]:
    """Cuts one answer into answers of ``counts`` samples; the seconds are shared out."""
    ends = np.cumsum(counts)
    for end, count in zip(ends, counts, strict=True):
        part = slice(end - count, end)
        yield Answer(
            answer.logits[part],
            {name: values[part] for name, values in answer.taps.items()},
            answer.seconds * count / int(ends[-1]),
        )

"""Which questions a student asks its teachers in which epoch, and how many were answered; its
source without teachers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from students.engines.engine import Engine
from students.knowledge import AnswerCounts, Knowledge, Question, Tap
from students.objectives.objective import Objective
from students.objectives.term import learns_from_teachers, taps_of
from students.specs import StudentSpec
from students.transfer_sets.sampler import MicroBatch
from students.transfer_sets.transfer_set import TransferSet


def questions_of(objective: Objective, micro_batches: Iterable[MicroBatch]) -> Iterator[Question]:
    """The questions of ``micro_batches``: in each epoch, for what its active terms need."""
    questions = (micro_batch.question for micro_batch in micro_batches)
    for epoch, of_epoch in groupby(questions, lambda question: question.epoch):
        if learns_from_teachers(objective.terms.values(), epoch):
            taps = taps_of(objective.terms, epoch)
            yield from (replace(question, taps=taps) for question in of_epoch)


def required_views(spec: StudentSpec, transfer_set: TransferSet) -> set[int]:
    """The views of the epochs in which a term learns from teachers; one without augmentation."""
    return {view for _, view in _epochs_with_teachers(spec, transfer_set)}


def required_taps(
    spec: StudentSpec, transfer_set: TransferSet, teacher: str
) -> dict[tuple[Tap, ...], set[int]]:
    """The views under which ``teacher`` is asked for just these taps beside its logits, by taps."""
    views: dict[tuple[Tap, ...], set[int]] = {}
    for epoch, view in _epochs_with_teachers(spec, transfer_set):
        taps = taps_of(spec.objective, epoch).get(teacher, ())
        views.setdefault(taps, set()).add(view)
    return views


def _epochs_with_teachers(
    spec: StudentSpec, transfer_set: TransferSet
) -> Iterator[tuple[int, int]]:
    """Each epoch in which a term learns from teachers, with its view."""
    for epoch in range(spec.train.last_epoch):
        if learns_from_teachers(spec.objective.values(), epoch):
            yield epoch, transfer_set.view_of(epoch, augment=spec.samples.augment)


@dataclass(frozen=True)
class NoTeachers:
    """The knowledge source of a student without teachers: empty knowledge for each question."""

    classes: int

    @contextmanager
    def ask(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        """Empty knowledge [0, B, C] for each question."""
        yield (empty_knowledge(len(question.sample_ids), self.classes) for question in questions)

    def counts(self) -> Mapping[str, AnswerCounts]:
        """Nothing: there are no teachers."""
        return {}


def empty_knowledge(samples: int, classes: int) -> Knowledge:
    """The knowledge of zero teachers for this number of samples."""
    return Knowledge(
        logits=torch.empty(0, samples, classes),
        known=torch.empty(0, classes, dtype=torch.bool),
        present=torch.empty(0, samples, dtype=torch.bool),
        weights=torch.empty(0, samples),
        taps={},
    )


def total_answers(
    earlier: Mapping[str, Sequence[int]], counts: Mapping[str, AnswerCounts], engine: Engine
) -> dict[str, tuple[int, int, int]]:
    """The numbers of ``AnswerCounts`` by teacher: those of this attempt's ``counts``, summed over
    all ranks, and of ``earlier`` ones; collective."""
    if not counts:
        return {}
    own = torch.tensor([[each.read, each.asked, each.computed] for each in counts.values()])
    sums = engine.sum(own.double()).long().tolist()
    found = {}
    for name, (read, asked, computed) in zip(counts, sums, strict=True):
        before = earlier.get(name, (0, 0, 0))
        found[name] = (before[0] + read, before[1] + asked, before[2] + computed)
    return found

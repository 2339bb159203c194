"""Lessons of nobody: what a trainer attends when its student has no teachers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from students.knowledge import AnswerCounts, Knowledge, Question


@dataclass(frozen=True)
class NoTeachers:
    """Lessons of nobody: knowledge of zero teachers for each question."""

    classes: int

    @contextmanager
    def ask(self, questions: Iterable[Question]) -> Iterator[Iterator[Knowledge]]:
        """Empty knowledge [0, B, C] for each question."""
        yield (empty_knowledge(len(question.sample_ids), self.classes) for question in questions)

    def counts(self) -> Mapping[str, AnswerCounts]:
        """There are no teachers."""
        return {}


def empty_knowledge(samples: int, classes: int) -> Knowledge:
    """The knowledge of zero teachers about so many samples."""
    return Knowledge(
        logits=torch.empty(0, samples, classes),
        known=torch.empty(0, classes, dtype=torch.bool),
        present=torch.empty(0, samples, dtype=torch.bool),
        weights=torch.empty(0, samples),
        taps={},
    )

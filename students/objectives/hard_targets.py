"""The hard-target term: cross-entropy with the class that the ensemble names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.fallback_labels import class_named
from students.objectives.softening import Mean, agreed, named
from students.objectives.task import task_loss


@dataclass(frozen=True)
class HardTargetsTerm:
    """Asks for the distribution on which the teachers agree at temperature 1, for its top class."""

    mean: Mean

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``task_loss`` of the student's logits [B, C], the ensemble's top class for a label.

        The first of equally probable classes. A class that stands in for the teachers' answer is
        the class they name. The mean is over the samples on which anybody answers.
        Source: Bucila, Caruana & Niculescu-Mizil (2006): the ensemble labels unlabelled data.
        """
        top = named(agreed(knowledge, 1.0, self.mean))
        return task_loss(outputs["logits"], class_named(top, knowledge.fallback_labels))

"""The hard-target term: cross-entropy with the ensemble's most probable class."""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Tensor
from students.objectives.fallback_labels import or_fallback
from students.objectives.softening import top_class
from students.objectives.task import task_loss
from students.objectives.term import Term, TermInputs


class HardTargets(Term):
    """Cross-entropy with the most probable class of the ensemble (Bucila et al., 2006)."""

    on_distributions: ClassVar[bool] = True
    kind: Literal["hard_targets"] = "hard_targets"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``task_loss`` of the student's logits [B, C], the ensemble's top class as the label.

        At temperature 1; the first of equally probable classes. The mean is over the samples that
        any teacher answers.
        Source: Bucila, Caruana & Niculescu-Mizil (2006): the ensemble labels unlabelled data.
        """
        top = top_class(inputs.mean_distribution(1.0))
        return task_loss(inputs.logits, or_fallback(top, inputs.fallback_labels))

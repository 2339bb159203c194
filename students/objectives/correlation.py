"""The correlation term: the student's probabilities rank classes and samples as the ensemble's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.fallback_labels import class_losses
from students.objectives.loss_precision import at_least_single
from students.objectives.softening import Mean, agreed, soften_one

SMALLEST_NORMS = 1e-8
"""Added to the product of two norms, as in the code of Huang et al. (2022)."""


def pearson(
    first: Float[Tensor, "rows columns"], second: Float[Tensor, "rows columns"]
) -> Float[Tensor, " rows"]:
    """The correlation of each row of ``first`` with the same row of ``second``, in [-1, 1].

    A constant row correlates with nothing: 0, with zero gradient. So it is, gradually, also for
    rows that are constant to rounding: 1e-8 is added to the product of the norms, as released.
    Source: Huang et al. (2022), section 3, and their code.
    """
    first = first - first.mean(dim=-1, keepdim=True)
    second = second - second.mean(dim=-1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(first, dim=-1) * torch.linalg.vector_norm(
        second, dim=-1
    )
    return (first * second).sum(dim=-1) / (norms + SMALLEST_NORMS)


def correlation_loss(
    student_probabilities: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    *,
    between: float,
    within: float,
) -> Float[Tensor, ""]:
    """``between`` (1 - rho_rows) + ``within`` (1 - rho_columns), rho the mean correlation.

    Rows: a sample's probabilities over the classes. Columns: a class's over the samples of the
    micro-batch. At least 0; multiplying either side by a positive number and adding one changes
    nothing. With one sample the second part stays at ``within``, without gradient.
    Both sides are softened already; T^2 is not in here.
    Source: Huang et al. (2022), section 3 (inter- and intra-class relation); their beta and
    gamma, 2 and 2 on CIFAR-100, are ``between`` and ``within``.
    """
    student = at_least_single(student_probabilities)
    teacher = at_least_single(teacher_probabilities)
    over_classes = 1 - pearson(student, teacher).mean()
    over_samples = 1 - pearson(student.T, teacher.T).mean()
    return between * over_classes + within * over_samples


@dataclass(frozen=True)
class CorrelationTerm:
    """Asks for the distribution on which the teachers agree."""

    temperature: float
    mean: Mean
    between: float
    within: float

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """T^2 ``correlation_loss`` of the student's softened logits [B, C], as released.

        Samples on which no teacher counts are left out of both correlations; the loss counts for
        the share of the others. Where a class stands in for the teachers' answer, the sample
        counts with cross-entropy with it: one-hot rows among softened ones would not be
        correlated for what the teachers know.
        """
        target = agreed(knowledge, self.temperature, self.mean)
        loss = self._of_answered(outputs["logits"], target)
        if knowledge.fallback_labels is None:
            return loss
        return loss + class_losses(outputs["logits"], knowledge.fallback_labels).mean()

    def _of_answered(
        self, logits: Float[Tensor, "batch classes"], target: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, ""]:
        answered = target.sum(dim=-1) > 0
        if not answered.any():
            return 0.0 * at_least_single(logits).sum()
        loss = correlation_loss(
            soften_one(logits[answered], self.temperature),
            target[answered],
            between=self.between,
            within=self.within,
        )
        return loss * self.temperature**2 * (answered.sum() / len(answered))

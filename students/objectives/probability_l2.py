"""The probability term: squared distance between the student's distribution and the ensemble's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from students.knowledge import Batch, Knowledge
from students.objectives.fallback_labels import NO_CLASS
from students.objectives.loss_precision import at_least_single
from students.objectives.softening import Mean, agreed, soften_one


def probability_l2_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
) -> Float[Tensor, ""]:
    """||softmax(z_s) - p_t||^2, summed over classes, mean over the batch; in [0, 2].

    At temperature 1. Its gradient vanishes where the student is sure, right or wrong: it is
    bounded, where cross-entropy is not. A row of zeros teaches nothing.
    Source: Han, lecture on distillation; Ba & Caruana, credited there, match logits (``logit_l2``).
    """
    teacher = at_least_single(teacher_probabilities)
    told = teacher.sum(dim=-1, keepdim=True) > 0
    distance = torch.where(told, soften_one(student_logits, 1.0) - teacher, 0.0)
    return distance.square().sum(dim=-1).mean()


def with_one_hot(
    probabilities: Float[Tensor, "batch classes"], fallback_labels: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch classes"]:
    """The one-hot distribution of the class ``fallback_labels`` where that is not -1."""
    if fallback_labels is None:
        return probabilities
    certain = one_hot(fallback_labels.clamp(min=0), probabilities.shape[-1]).to(probabilities.dtype)
    return torch.where((fallback_labels == NO_CLASS).unsqueeze(1), probabilities, certain)


@dataclass(frozen=True)
class ProbabilityL2Term:
    """Asks for the distribution on which the teachers agree at temperature 1."""

    mean: Mean

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``probability_l2_loss`` of the student's logits [B, C].

        Where a class stands in for the teachers' answer it is that class with probability one,
        which makes the sample's loss its Brier score.
        """
        target = with_one_hot(agreed(knowledge, 1.0, self.mean), knowledge.fallback_labels)
        return probability_l2_loss(outputs["logits"], target)

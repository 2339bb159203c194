"""The soft-target term: KL from the teachers' softened distribution to the student's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.fallback_labels import with_stand_ins
from students.objectives.loss_precision import at_least_single
from students.objectives.softening import Mean, agreed, standardized


def soft_target_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """T^2 KL(teacher || softmax(student / T)), summed over classes, mean over the batch, in nats.

    ``teacher_probabilities`` are softened already, at the same temperature. At least 0, and 0
    (up to rounding) when the two distributions agree. The factor T^2 keeps the gradient's
    scale independent of T: T large, it tends to (z_s - z_t) / (C B) for centred logits.
    A row of zeros teaches nothing: its loss and its gradient are 0.
    Source: Hinton, Vinyals & Dean (2015), sections 2 and 2.1.
    """
    divergences = divergence(student_logits, teacher_probabilities, temperature=temperature)
    return divergences.mean() * temperature**2


def divergence(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    *,
    temperature: float,
) -> Float[Tensor, " batch"]:
    """KL(teacher || softmax(student / T)) of each sample, without T^2."""
    student_log = torch.log_softmax(at_least_single(student_logits) / temperature, dim=-1)
    teacher = at_least_single(teacher_probabilities)
    # At 0 the logarithm's gradient is NaN, which a gate that weighs the teachers would be sent.
    above = teacher.clamp_min(torch.finfo(teacher.dtype).tiny)
    return (torch.xlogy(teacher, above) - teacher * student_log).sum(dim=-1)


@dataclass(frozen=True)
class SoftTargetsTerm:
    """Asks for the distribution on which the teachers agree.

    ``standardize``: both sides' rows of logits are standardised before they are softened (Sun et
    al., 2024); the rest, T^2 included, stays.
    """

    temperature: float
    mean: Mean
    standardize: bool = False

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``soft_target_loss`` of the student's logits [B, C].

        Where a class stands in for the teachers' answer, cross-entropy with it, of the logits
        as they are.
        """
        target = agreed(knowledge, self.temperature, self.mean, standardize=self.standardize)
        student = standardized(outputs["logits"]) if self.standardize else outputs["logits"]
        if knowledge.fallback_labels is None:
            return soft_target_loss(student, target, temperature=self.temperature)
        losses = self.temperature**2 * divergence(student, target, temperature=self.temperature)
        return with_stand_ins(losses, outputs["logits"], knowledge.fallback_labels).mean()

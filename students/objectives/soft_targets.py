"""The soft-target term: KL from the teachers' softened distribution to the student's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.single_precision import at_least_single
from students.softening import Mean, soften


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
    student_log = torch.log_softmax(at_least_single(student_logits) / temperature, dim=-1)
    teacher = at_least_single(teacher_probabilities)
    divergence = (torch.xlogy(teacher, teacher) - teacher * student_log).sum(dim=-1)
    return divergence.mean() * temperature**2


@dataclass(frozen=True)
class SoftTargetsTerm:
    """Asks for the distribution on which the teachers agree."""

    temperature: float
    mean: Mean

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``soft_target_loss`` of the student's logits [B, C]."""
        target = soften(
            knowledge.logits,
            knowledge.shares,
            knowledge.known,
            knowledge.present,
            temperature=self.temperature,
            mean=self.mean,
        )
        return soft_target_loss(outputs["logits"], target, temperature=self.temperature)

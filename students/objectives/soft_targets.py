"""The soft-target term: KL from the teachers' softened distribution to the student's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from students.lazy_imports import Float, Tensor, torch
from students.objectives.fallback_labels import with_fallback
from students.objectives.loss_precision import at_least_single
from students.objectives.softening import standardized
from students.objectives.term import SofteningTerm, TermInputs


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
    A row of zeros has loss 0 and gradient 0.
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
    # At 0 the logarithm's gradient is NaN, which would reach the gating network.
    above = teacher.clamp_min(torch.finfo(teacher.dtype).tiny)
    return (torch.xlogy(teacher, above) - teacher * student_log).sum(dim=-1)


class SoftTargets(SofteningTerm):
    """KL from the ensemble's softened distribution to the student's, times T squared."""

    kind: Literal["soft_targets"] = "soft_targets"
    standardize: bool = Field(
        False, description="each row of logits to mean 0 and deviation 1 before it is softened"
    )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``soft_target_loss`` of the student's logits [B, C].

        With ``standardize`` both sides' rows of logits are standardised first (Sun et al., 2024);
        the rest, T^2 included, stays. Where a sample has a fallback label, cross-entropy with it,
        of the logits as they are.
        """
        temperature = inputs.temperature
        target = inputs.mean_distribution(standardize=self.standardize)
        student = standardized(inputs.logits) if self.standardize else inputs.logits
        if inputs.fallback_labels is None:
            return soft_target_loss(student, target, temperature=temperature)
        losses = temperature**2 * divergence(student, target, temperature=temperature)
        return with_fallback(losses, inputs.logits, inputs.fallback_labels).mean()

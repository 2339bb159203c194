"""The soft-target terms: KL from the teachers' softened distribution, for all or some samples."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from students.lazy_imports import Float, Int, Tensor, torch
from students.objectives.fallback_labels import NO_CLASS, class_losses, or_fallback, with_fallback
from students.objectives.softening import at_least_single, standardized, top_class
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

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """All of it, where two logits are standardised: one is then 0.71, the other -0.71."""
        if not self.standardize or classes != 2:
            return ""
        return (
            "has no gradient, since two logits that are standardised are the same two numbers for "
            "every sample; take `standardize` out"
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


def conditional_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    fallback_labels: Int[Tensor, " batch"] | None = None,
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """T^2 KL(teacher || student) where the teacher's most probable class is the label, else CE.

    Cross-entropy is with the label, at temperature 1; the mean is over the batch, in nats. With a
    teacher that is always right this is ``soft_target_loss``, with one that is always wrong
    ``task_loss``. A sample without a label (-1) counts with the teacher's distribution, a sample
    without an answer (a row of zeros) with its label, one without either not at all.
    ``fallback_labels`` replace the answer where they are not -1: the loss of the soft target is
    then cross-entropy with that class. So a label, if there is one, always decides.
    Source: Meng et al. (2019), as described by Gou et al. (2021); T^2 is ours, so that both kinds
    of samples keep their scale at any T.
    """
    right = or_fallback(top_class(teacher_probabilities), fallback_labels) == labels
    soft = temperature**2 * divergence(
        student_logits, teacher_probabilities, temperature=temperature
    )
    soft = with_fallback(soft, student_logits, fallback_labels)
    from_teacher = right | (labels == NO_CLASS)
    return torch.where(from_teacher, soft, class_losses(student_logits, labels)).mean()


class Conditional(SofteningTerm):
    """Soft targets where the ensemble predicts the label, else the label (Meng et al., 2019)."""

    needs_labels: ClassVar[bool] = True
    kind: Literal["conditional"] = "conditional"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``conditional_loss`` of the student's logits [B, C]."""
        return conditional_loss(
            inputs.logits,
            inputs.mean_distribution(),
            inputs.labels,
            inputs.fallback_labels,
            temperature=inputs.temperature,
        )

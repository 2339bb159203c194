"""The conditional term: soft targets where the ensemble predicts the label, else the label."""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Float, Int, Tensor, torch
from students.objectives.fallback_labels import NO_CLASS, class_losses, or_fallback, with_fallback
from students.objectives.soft_targets import divergence
from students.objectives.softening import top_class
from students.objectives.term import SofteningTerm, TermInputs


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

"""The probability term: squared distance between the student's distribution and the ensemble's."""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Float, Int, Tensor, functional, torch
from students.objectives.fallback_labels import NO_CLASS
from students.objectives.loss_precision import at_least_single
from students.objectives.softening import soften_one
from students.objectives.term import Term, TermInputs


def probability_l2_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
) -> Float[Tensor, ""]:
    """||softmax(z_s) - p_t||^2, summed over classes, mean over the batch; in [0, 2].

    At temperature 1. Its gradient vanishes where the student is sure, right or wrong: it is
    bounded, where cross-entropy is not. A row of zeros counts as a loss of 0.
    Source: Han, lecture on distillation; Ba & Caruana, credited there, match logits (``logit_l2``).
    """
    teacher = at_least_single(teacher_probabilities)
    answered = teacher.sum(dim=-1, keepdim=True) > 0
    distance = torch.where(answered, soften_one(student_logits, 1.0) - teacher, 0.0)
    return distance.square().sum(dim=-1).mean()


def with_one_hot(
    probabilities: Float[Tensor, "batch classes"], fallback_labels: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch classes"]:
    """The one-hot distribution of the class ``fallback_labels`` where that is not -1."""
    if fallback_labels is None:
        return probabilities
    certain = functional.one_hot(fallback_labels.clamp(min=0), probabilities.shape[-1]).to(
        probabilities.dtype
    )
    return torch.where((fallback_labels == NO_CLASS).unsqueeze(1), probabilities, certain)


class ProbabilityL2(Term):
    """Squared distance between the student's distribution and the ensemble's, at temperature 1."""

    on_distributions: ClassVar[bool] = True
    kind: Literal["probability_l2"] = "probability_l2"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``probability_l2_loss`` of the student's logits [B, C].

        A sample with a fallback label has that class with probability one as its target, which
        makes its loss its Brier score.
        """
        target = with_one_hot(inputs.mean_distribution(1.0), inputs.fallback_labels)
        return probability_l2_loss(inputs.logits, target)

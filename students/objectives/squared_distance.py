"""The terms of squared distance: to the teachers' mean logits, or to their distribution.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Bool, Float, Tensor, functional, torch
from students.objectives.fallback_labels import NO_CLASS
from students.objectives.softening import at_least_single, normalized_weights, soften_one
from students.objectives.term import Term, TermInputs


def logit_l2_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    known: Bool[Tensor, "batch classes"] | None = None,
) -> Float[Tensor, ""]:
    """1/2 ||z_s - z_t||^2, summed over classes, mean over the batch; >= 0, 0 when equal.

    Both sides as they are, without centring, softening or standardising. Logits that
    are not ``known`` do not count.
    The gradient is (z_s - z_t) / B.
    Source: Ba & Caruana (2014), section 2.1.
    """
    distance = at_least_single(student_logits) - at_least_single(teacher_logits)
    if known is not None:
        distance = torch.where(known, distance, 0.0)
    return 0.5 * distance.square().sum(dim=-1).mean()


def mean_logits(
    teacher_logits_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "teachers batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> tuple[Float[Tensor, "batch classes"], Bool[Tensor, "batch classes"]]:
    """The weighted mean logits, and for which samples and classes there is one.

    For each class the mean is over the teachers present that cover it.
    """
    logits_KBC = at_least_single(teacher_logits_KBC)
    usable_KBC = present_KB.unsqueeze(2) & known_KC.unsqueeze(1)
    weights_KB = normalized_weights(weights_KB.to(logits_KBC.dtype), present_KB)
    shares_KBC = weights_KB.unsqueeze(2) * usable_KBC
    total_BC = shares_KBC.sum(dim=0)
    known_BC = total_BC > 0
    summed_BC = (shares_KBC * torch.where(usable_KBC, logits_KBC, 0.0)).sum(dim=0)
    return summed_BC / torch.where(known_BC, total_BC, 1.0), known_BC


class LogitL2(Term):
    """Half the squared distance between the student's logits and the teachers' mean logits."""

    needs_all_logits: ClassVar[bool] = True
    kind: Literal["logit_l2"] = "logit_l2"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``logit_l2_loss`` of the student's logits [B, C]."""
        given = inputs.knowledge
        target, known = mean_logits(given.logits.detach(), given.shares, given.known, given.present)
        return logit_l2_loss(inputs.logits, target, known)


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


class ProbabilityL2(Term):
    """Squared distance between the student's distribution and the ensemble's, at temperature 1."""

    on_distributions: ClassVar[bool] = True
    kind: Literal["probability_l2"] = "probability_l2"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``probability_l2_loss`` of the student's logits [B, C].

        A sample with a fallback label has that class with probability one as its target, which
        makes its loss its Brier score.
        """
        target, fallback = inputs.mean_distribution(1.0), inputs.fallback_labels
        if fallback is not None:
            certain = functional.one_hot(fallback.clamp(min=0), target.shape[-1]).to(target.dtype)
            target = torch.where((fallback == NO_CLASS).unsqueeze(1), target, certain)
        return probability_l2_loss(inputs.logits, target)

"""The decoupled term: soft targets as the label's class against the others, and the others."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import Bool, Float, Int, Tensor, functional, torch
from students.objectives.fallback_labels import NO_CLASS, or_fallback, with_fallback
from students.objectives.softening import at_least_single
from students.objectives.term import SofteningTerm, TermInputs


def decoupled_divergences(
    student_logits: Float[Tensor, "batch classes"],
    teacher_log: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    *,
    temperature: float,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """KL of the two-class distribution {label, others}, and KL among the others (TCKD, NCKD).

    ``teacher_log``: logarithms of the teacher's probabilities, softened at T already; -inf for
    a class without any. The student is softened at T here. Neither has T^2.
    With p the teacher's probability of the label, KL(teacher || student) is the first plus
    (1 - p) times the second (Zhao et al., 2022, section 3).
    All is computed of logarithms: where p is 1 to rounding, the others among themselves are still
    what the logits say. Where a teacher gives no other class any probability the second is 0; in
    a row of -inf both are 0. Labels must be >= 0.
    """
    is_label = functional.one_hot(labels, student_logits.shape[-1]).bool()
    student_log = torch.log_softmax(at_least_single(student_logits) / temperature, dim=-1)
    student_pair, student_others = _parts(student_log, is_label)
    teacher_pair, teacher_others = _parts(at_least_single(teacher_log), is_label)
    return (
        _divergence_of_logs(student_pair, teacher_pair),
        _divergence_of_logs(student_others, teacher_others),
    )


def _parts(
    log_BC: Float[Tensor, "batch classes"], is_label_BC: Bool[Tensor, "batch classes"]
) -> tuple[Float[Tensor, "batch 2"], Float[Tensor, "batch classes"]]:
    """Log-probabilities of {label, others}, and of the others among themselves (label: -inf)."""
    others_BC = log_BC.masked_fill(is_label_BC, -torch.inf)
    any_B1 = (others_BC > -torch.inf).any(dim=-1, keepdim=True)
    # Where no other class has probability zeros are summed: the gradient from -inf alone is NaN.
    total_B1 = torch.where(any_B1, others_BC, 0.0).logsumexp(dim=-1, keepdim=True)
    label_B1 = log_BC.masked_fill(~is_label_BC, 0.0).sum(dim=-1, keepdim=True)
    pair_B2 = torch.cat([label_B1, torch.where(any_B1, total_B1, -torch.inf)], dim=-1)
    return pair_B2, others_BC - total_B1


def _divergence_of_logs(
    student_log: Float[Tensor, "batch any"], teacher_log: Float[Tensor, "batch any"]
) -> Float[Tensor, " batch"]:
    """sum_j t_j (log t_j - log s_j) over the j to which the teacher gives any probability."""
    counts = teacher_log > -torch.inf
    teacher = torch.where(counts, teacher_log, 0.0)
    return (teacher.exp() * (teacher - torch.where(counts, student_log, 0.0))).sum(dim=-1)


def decoupled_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_log: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    fallback_labels: Int[Tensor, " batch"] | None = None,
    *,
    temperature: float,
    target: float,
    others: float,
) -> Float[Tensor, ""]:
    """T^2 (target TCKD + others NCKD), see ``decoupled_divergences``, in nats.

    Labels of -1 do not count: the mean is over the labelled samples, and 0, with zero gradient,
    where there is none. Where ``fallback_labels`` is not -1 the sample counts with plain
    cross-entropy with that class, without either weight: a class has no distribution over the
    others.
    Source: Zhao et al. (2022), section 3, whose alpha and beta are ``target`` and ``others``; both
    parts times T^2, as released. What grows over the first 20 epochs there is a weight here.
    """
    classes = or_fallback(labels, fallback_labels)
    counts = classes != NO_CLASS
    of_label, of_others = decoupled_divergences(
        student_logits, teacher_log, classes.clamp(min=0), temperature=temperature
    )
    losses = temperature**2 * (target * of_label + others * of_others)
    losses = with_fallback(losses, student_logits, fallback_labels)
    return torch.where(counts, losses, 0.0).sum() / counts.sum().clamp(min=1)


class Decoupled(SofteningTerm):
    """Soft targets in two parts: the label's class against all others, and the others among
    themselves (DKD; Zhao et al., 2022)."""

    needs_labels: ClassVar[bool] = True
    needs_all_logits: ClassVar[bool] = True
    skips_unlabelled: ClassVar[bool] = True
    kind: Literal["decoupled"] = "decoupled"
    target: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the label's class")
    others: Annotated[float, Field(ge=0)] = Field(8.0, description="weight of all others")

    @model_validator(mode="after")
    def _one_part_counts(self) -> Self:
        if self.target == self.others == 0:
            raise ValueError("must have `target` or `others` above 0; take the term out if not")
        return self

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """With two classes the part among the others, of which there is one."""
        if classes != 2 or self.others == 0:
            return ""
        if self.target == 0:
            return (
                "has no gradient, since of two classes there is only one other; choose soft_targets"
            )
        return (
            "has no gradient from `others`, since of two classes there is only one other; choose "
            "soft_targets, which is the rest of it"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``decoupled_loss`` of the student's logits [B, C]."""
        return decoupled_loss(
            inputs.logits,
            inputs.mean_distribution(log=True),
            inputs.labels,
            inputs.fallback_labels,
            temperature=inputs.temperature,
            target=self.target,
            others=self.others,
        )

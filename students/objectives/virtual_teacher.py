"""The virtual teacher's term: KL from a distribution that is a formula of the label."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.lazy_imports import Float, Int, Tensor, functional, torch
from students.objectives.fallback_labels import NO_CLASS
from students.objectives.soft_targets import divergence
from students.objectives.term import Temperature, Term, TermInputs


def virtual_teacher(
    labels: Int[Tensor, " batch"],
    classes: int,
    *,
    probability: float,
    temperature: float,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "batch classes"]:
    """softmax(p / T) of p = ``probability`` for the label and equal parts of the rest for others.

    As released, of probabilities and not of their logarithms: at T = 20 it is nearly uniform,
    exp(1/20) being all that the label can have over another class. Labels must be >= 0.
    Source: Yuan et al. (2020), section 5 (Tf-KD_reg), and their code.
    """
    rest = (1 - probability) / (classes - 1)
    given = (
        functional.one_hot(labels, classes).to(dtype or torch.float32) * (probability - rest) + rest
    )
    return torch.softmax(given / temperature, dim=-1)


def virtual_teacher_loss(
    student_logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    *,
    probability: float,
    temperature: float,
    student: Literal["plain", "softened"] = "plain",
) -> Float[Tensor, ""]:
    """KL(virtual teacher || softmax(z / T_s)), summed over classes, in nats.

    T_s is 1 if ``student`` is ``plain``, as released, or ``temperature`` if ``softened``, as
    printed; neither has a factor T^2. Labels of -1 do not count: the mean is over the labelled
    samples, and 0, with zero gradient, where there is none. The authors' whole loss is
    0.9 task + 0.1 times this.
    Source: Yuan et al. (2020), section 5, and their code, whose ``multiplier`` makes a sum over
    classes of its mean over elements.
    """
    counts = labels != NO_CLASS
    teacher = virtual_teacher(
        labels.clamp(min=0),
        student_logits.shape[-1],
        probability=probability,
        temperature=temperature,
        dtype=torch.promote_types(student_logits.dtype, torch.float32),
    )
    losses = divergence(
        student_logits, teacher, temperature=1.0 if student == "plain" else temperature
    )
    return torch.where(counts, losses, 0.0).sum() / counts.sum().clamp(min=1)


class VirtualTeacher(Term):
    """KL from a teacher that is a formula: the label with ``probability``, the rest spread evenly
    (Tf-KD, regularisation; Yuan et al., 2020)."""

    needs_teachers: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = True
    kind: Literal["virtual_teacher"] = "virtual_teacher"
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.99
    temperature: Temperature = Field(20.0, description="of the virtual teacher")
    student: Literal["plain", "softened"] = Field(
        "plain", description="plain: at temperature 1, as released; softened: as printed"
    )

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """A label that is no more probable than another class."""
        if classes is None or self.probability > 1 / classes:
            return ""
        return (
            f"teaches no label, since `probability` {self.probability:g} is no more than each of "
            f"{classes} classes has; make it larger (0.99 in the paper)"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``virtual_teacher_loss`` of the student's logits [B, C]."""
        return virtual_teacher_loss(
            inputs.logits,
            inputs.labels,
            probability=self.probability,
            temperature=self.temperature,
            student=self.student,
        )

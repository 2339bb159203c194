"""The correlation term: the student's probabilities rank classes and samples as the ensemble's."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import Float, Tensor, torch
from students.objectives.fallback_labels import class_losses
from students.objectives.softening import at_least_single, soften_one
from students.objectives.term import SofteningTerm, TermInputs

SMALLEST_NORMS = 1e-8
"""Added to the product of two norms, as in the code of Huang et al. (2022)."""


def pearson(
    first: Float[Tensor, "rows columns"], second: Float[Tensor, "rows columns"]
) -> Float[Tensor, " rows"]:
    """The correlation of each row of ``first`` with the same row of ``second``, in [-1, 1].

    A constant row correlates with nothing: 0, with zero gradient. So it is, gradually, also for
    rows that are constant to rounding: 1e-8 is added to the product of the norms, as released.
    Source: Huang et al. (2022), section 3, and their code.
    """
    first = first - first.mean(dim=-1, keepdim=True)
    second = second - second.mean(dim=-1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(first, dim=-1) * torch.linalg.vector_norm(
        second, dim=-1
    )
    return (first * second).sum(dim=-1) / (norms + SMALLEST_NORMS)


def correlation_loss(
    student_probabilities: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    *,
    between: float,
    within: float,
) -> Float[Tensor, ""]:
    """``between`` (1 - rho_rows) + ``within`` (1 - rho_columns), rho the mean correlation.

    Rows: a sample's probabilities over the classes. Columns: a class's over the samples of the
    micro-batch. At least 0; multiplying either side by a positive number and adding one changes
    nothing. With one sample the second part stays at ``within``, without gradient.
    Both sides are softened already; T^2 is not in here.
    Source: Huang et al. (2022), section 3 (inter- and intra-class relation); their beta and
    gamma, 2 and 2 on CIFAR-100, are ``between`` and ``within``.
    """
    student = at_least_single(student_probabilities)
    teacher = at_least_single(teacher_probabilities)
    over_classes = 1 - pearson(student, teacher).mean()
    over_samples = 1 - pearson(student.T, teacher.T).mean()
    return between * over_classes + within * over_samples


class Correlation(SofteningTerm):
    """One minus the correlation with the ensemble's distribution, over the classes of each sample
    and over the samples of each class (DIST; Huang et al., 2022)."""

    min_samples: ClassVar[int] = 2
    needs_all_logits: ClassVar[bool] = True
    kind: Literal["correlation"] = "correlation"
    between: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the classes")
    within: Annotated[float, Field(ge=0)] = Field(2.0, description="weight over the samples")

    @model_validator(mode="after")
    def _one_part_counts(self) -> Self:
        if self.between == self.within == 0:
            raise ValueError("must have `between` or `within` above 0; take the term out if not")
        return self

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """The correlation over two classes, or over two samples: it is 1 or -1."""
        idle = {
            "between": (self.between > 0 and classes == 2, "two classes"),
            "within": (self.within > 0 and samples == 2, "two samples in a micro-batch"),
        }
        found = {name: what for name, (holds, what) in idle.items() if holds}
        if not found:
            return ""
        active = [name for name in idle if getattr(self, name) > 0]
        part = "" if len(found) == len(active) else f" from `{', '.join(found)}`"
        over = " and over ".join(found.values())
        return (
            f"has no gradient{part}, since a correlation over {over} is 1 or -1, whatever the "
            "probabilities are; choose another term"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """T^2 ``correlation_loss`` of the student's softened logits [B, C], as released.

        Samples without any teacher's answer are left out of both correlations; the loss counts for
        the share of the others. A sample with a fallback label counts with cross-entropy with it:
        one-hot rows among softened ones would change the correlation of the others.
        """
        target, temperature = inputs.mean_distribution(), inputs.temperature
        answered = target.sum(dim=-1) > 0
        if answered.any():
            loss = correlation_loss(
                soften_one(inputs.logits[answered], temperature),
                target[answered],
                between=self.between,
                within=self.within,
            )
            loss = loss * temperature**2 * (answered.sum() / len(answered))
        else:
            loss = 0.0 * at_least_single(inputs.logits).sum()
        if inputs.fallback_labels is None:
            return loss
        return loss + class_losses(inputs.logits, inputs.fallback_labels).mean()

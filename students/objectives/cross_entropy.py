"""The terms of plain classes: cross-entropy with the labels, or with the ensemble's top class."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.lazy_imports import Float, Int, Tensor, functional
from students.objectives.fallback_labels import NO_CLASS, or_fallback
from students.objectives.softening import at_least_single, top_class
from students.objectives.term import Term, TermInputs


def task_loss(
    logits: Float[Tensor, "batch classes"],
    targets: Int[Tensor, " batch"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy in nats, H((1-eps) onehot(y) + eps/C, softmax(z)), eps = ``label_smoothing``.

    Targets of -1 are unlabelled and do not count: the mean is over the labelled samples of
    the micro-batch. Where none is labelled the loss is exactly 0, with zero gradient.
    Smoothing spreads eps over all C classes, the true one included.
    Source: Szegedy et al. (2016), section 7; Müller, Kornblith & Hinton (2019), section 1.
    """
    total = functional.cross_entropy(
        at_least_single(logits),
        targets,
        ignore_index=NO_CLASS,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return total / (targets != NO_CLASS).sum().clamp(min=1)


class Task(Term):
    """Cross-entropy with the labels; samples without a label do not count."""

    needs_teachers: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = True
    kind: Literal["task"] = "task"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def smoothing(self) -> float:
        """As ``label_smoothing`` says."""
        return self.label_smoothing

    def loss(self, inputs: TermInputs) -> Tensor:
        """``task_loss`` of the student's logits [B, C]."""
        return task_loss(inputs.logits, inputs.labels, label_smoothing=self.label_smoothing)


class HardTargets(Term):
    """Cross-entropy with the most probable class of the ensemble (Bucila et al., 2006)."""

    on_distributions: ClassVar[bool] = True
    kind: Literal["hard_targets"] = "hard_targets"

    def loss(self, inputs: TermInputs) -> Tensor:
        """``task_loss`` of the student's logits [B, C], the ensemble's top class as the label.

        At temperature 1; the first of equally probable classes. The mean is over the samples that
        any teacher answers.
        Source: Bucila, Caruana & Niculescu-Mizil (2006): the ensemble labels unlabelled data.
        """
        top = top_class(inputs.mean_distribution(1.0))
        return task_loss(inputs.logits, or_fallback(top, inputs.fallback_labels))

"""The task term: cross-entropy with the labels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.lazy_imports import Float, Int, Tensor, functional
from students.objectives.fallback_labels import NO_CLASS
from students.objectives.loss_precision import at_least_single
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

"""The task term: cross-entropy with the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from students.knowledge import Batch, Knowledge
from students.objectives.loss_precision import at_least_single

UNLABELLED = -1


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
    total = cross_entropy(
        at_least_single(logits),
        targets,
        ignore_index=UNLABELLED,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return total / (targets != UNLABELLED).sum().clamp(min=1)


@dataclass(frozen=True)
class TaskTerm:
    """Asks for the labels of a batch."""

    label_smoothing: float

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``task_loss`` of the student's logits [B, C]."""
        return task_loss(outputs["logits"], batch.targets, label_smoothing=self.label_smoothing)

"""The class that stands in for the teachers' answer, where no teacher counts."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from students.objectives.loss_precision import at_least_single

NO_CLASS = -1
"""Says that a sample has no such class: as a label, that it is unlabelled."""


def with_stand_ins(
    losses: Float[Tensor, " batch"],
    student_logits: Float[Tensor, "batch classes"],
    fallback_labels: Int[Tensor, " batch"] | None,
) -> Float[Tensor, " batch"]:
    """Each sample's loss; plain cross-entropy with ``fallback_labels`` where that is not -1.

    At temperature 1 and without T^2: a class is no softened distribution, so there is nothing to
    keep the gradient's scale for, and the sample counts as it would in the term ``task``.
    """
    if fallback_labels is None:
        return losses
    return torch.where(
        fallback_labels == NO_CLASS, losses, class_losses(student_logits, fallback_labels)
    )


def class_losses(
    student_logits: Float[Tensor, "batch classes"], classes: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """-log softmax(z)[class] of each sample, in nats; 0, without gradient, where it is -1."""
    return cross_entropy(
        at_least_single(student_logits), classes, ignore_index=NO_CLASS, reduction="none"
    )


def class_named(
    named: Int[Tensor, " batch"], fallback_labels: Int[Tensor, " batch"] | None
) -> Int[Tensor, " batch"]:
    """The class that the teachers name, or the one that stands in for their answer."""
    if fallback_labels is None:
        return named
    return torch.where(fallback_labels == NO_CLASS, named, fallback_labels)

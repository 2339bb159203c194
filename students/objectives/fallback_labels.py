"""The label that replaces the teachers' answer for a sample, where no teacher counts."""

from __future__ import annotations

from students.lazy_imports import Float, Int, Tensor, functional, torch
from students.objectives.softening import at_least_single

NO_CLASS = -1
"""Marks a sample without such a class: as a label, that it is unlabelled."""


def with_fallback(
    losses: Float[Tensor, " batch"],
    student_logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"] | None,
) -> Float[Tensor, " batch"]:
    """Each sample's loss; plain cross-entropy with the fallback label where that is not -1.

    At temperature 1 and without T^2: a class is no softened distribution, so there is nothing to
    keep the gradient's scale for, and the sample counts as it would in the term ``task``.
    """
    if labels is None:
        return losses
    return torch.where(labels == NO_CLASS, losses, class_losses(student_logits, labels))


def class_losses(
    student_logits: Float[Tensor, "batch classes"], classes: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """-log softmax(z)[class] of each sample, in nats; 0, without gradient, where it is -1."""
    return functional.cross_entropy(
        at_least_single(student_logits), classes, ignore_index=NO_CLASS, reduction="none"
    )


def or_fallback(
    classes: Int[Tensor, " batch"], labels: Int[Tensor, " batch"] | None
) -> Int[Tensor, " batch"]:
    """The fallback label where that is not -1, else the class given."""
    return classes if labels is None else torch.where(labels == NO_CLASS, classes, labels)

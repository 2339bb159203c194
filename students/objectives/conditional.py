"""The conditional term: soft targets where the ensemble names the label, else the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.fallback_labels import NO_CLASS, class_losses, class_named, with_stand_ins
from students.objectives.soft_targets import divergence
from students.objectives.softening import Mean, agreed, named


def conditional_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    fallback_labels: Int[Tensor, " batch"] | None = None,
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """T^2 KL(teacher || student) where the teacher's most probable class is the label, else CE.

    Cross-entropy is with the label, at temperature 1; the mean is over the batch, in nats. With a
    teacher that is always right this is ``soft_target_loss``, with one that is always wrong
    ``task_loss``. A label of -1 is none to be wrong about: there the teacher is believed.
    Where nobody answered (a row of zeros), the label teaches, and without one nothing does.
    ``fallback_labels`` is the answer where it is not -1: it names its class, and what a soft target
    costs is then cross-entropy with that class. So the label, if there is one, always wins.
    Source: Meng et al. (2019), as the survey of Gou et al. (2021) tells it; T^2 is ours, so that
    both kinds of samples keep their scale at any T.
    """
    right = class_named(named(teacher_probabilities), fallback_labels) == labels
    soft = temperature**2 * divergence(
        student_logits, teacher_probabilities, temperature=temperature
    )
    soft = with_stand_ins(soft, student_logits, fallback_labels)
    believed = right | (labels == NO_CLASS)
    return torch.where(believed, soft, class_losses(student_logits, labels)).mean()


@dataclass(frozen=True)
class ConditionalTerm:
    """Asks for the distribution on which the teachers agree, and for the labels."""

    temperature: float
    mean: Mean

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``conditional_loss`` of the student's logits [B, C]."""
        return conditional_loss(
            outputs["logits"],
            agreed(knowledge, self.temperature, self.mean),
            batch.targets,
            knowledge.fallback_labels,
            temperature=self.temperature,
        )

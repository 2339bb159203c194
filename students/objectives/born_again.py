"""The two terms that take apart what generations of one model learn from each other."""

from __future__ import annotations

from typing import ClassVar, Literal

from students.lazy_imports import Float, Int, Tensor, np, npt, torch
from students.objectives.fallback_labels import (
    NO_CLASS,
    class_losses,
    or_fallback,
    with_fallback,
)
from students.objectives.soft_targets import divergence
from students.objectives.softening import at_least_single
from students.objectives.term import SofteningTerm, TermInputs
from students.randomness import hash_ids, seed_of


def confidence_weighted_loss(
    student_logits: Float[Tensor, "batch classes"],
    teacher_probabilities: Float[Tensor, "batch classes"],
    labels: Int[Tensor, " batch"],
    fallback_labels: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """sum_s (max p_s / sum_u max p_u) CE_s: cross-entropy with the labels, in nats, of the
    student's logits as they are, each sample weighted by the teacher's largest probability.

    The sums are over the labelled samples of one micro-batch. A label of -1 does not count, nor
    does a sample without an answer (a row of zeros); 0, with zero gradient, where none counts.
    Where ``fallback_labels`` is not -1 it is the label, with a probability of 1. A teacher that
    is equally sure of all samples makes it ``task_loss``.
    Source: Furlanello et al. (2018), section 3.3 (CWTM), whose sum is over a mini-batch.
    """
    classes = or_fallback(labels, fallback_labels)
    confidence = at_least_single(teacher_probabilities).amax(dim=-1)
    if fallback_labels is not None:
        confidence = torch.where(fallback_labels == NO_CLASS, confidence, 1.0)
    confidence = torch.where(classes == NO_CLASS, 0.0, confidence)
    total = confidence.sum()
    losses = confidence * class_losses(student_logits, classes)
    return losses.sum() / torch.where(total > 0, total, 1.0)


class ConfidenceWeighted(SofteningTerm):
    """Cross-entropy with the labels, each sample weighted by the ensemble's largest probability
    (CWTM; Furlanello et al., 2018)."""

    needs_labels: ClassVar[bool] = True
    skips_unlabelled: ClassVar[bool] = True
    kind: Literal["confidence_weighted"] = "confidence_weighted"

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """The weights, where each micro-batch has one sample."""
        if samples > 1:
            return ""
        return (
            "weights nothing, since the weight of the only sample of a micro-batch is 1; choose "
            "task, or raise `student.train.micro_batch_size`"
        )

    def loss(self, inputs: TermInputs) -> Tensor:
        """``confidence_weighted_loss`` of the student's logits [B, C]."""
        return confidence_weighted_loss(
            inputs.logits, inputs.mean_distribution(), inputs.labels, inputs.fallback_labels
        )


def permute_others(
    probabilities: Float[Tensor, "batch classes"], keys: Float[Tensor, "batch classes"]
) -> Float[Tensor, "batch classes"]:
    """Each row with the probabilities of its other classes in the order of their ``keys``.

    The most probable class (the first of equals) keeps its own, and a class without probability,
    such as one that no teacher covers, stays without. Of the others, in order of class, the first
    gets the probability of the one with the smallest key, and so on. Keys are in [0, 1).
    Source: Furlanello et al. (2018), section 3.3 (DKPP).
    """
    classes = torch.arange(probabilities.shape[-1], device=probabilities.device)
    top_B1 = probabilities.argmax(dim=-1, keepdim=True)
    moves_BC = (probabilities > 0) & (classes != top_B1)
    fixed_BC = (1.0 + classes).to(keys.dtype).expand_as(keys)
    place = torch.where(moves_BC, 0.0, fixed_BC).argsort(dim=-1, stable=True)
    source = torch.where(moves_BC, keys, fixed_BC).argsort(dim=-1, stable=True)
    permuted = torch.zeros_like(probabilities)
    return permuted.scatter(-1, place, probabilities.gather(-1, source))


def permutation_keys(
    seed: int, epoch: int, sample_ids: npt.NDArray[np.int64], classes: int
) -> Float[Tensor, "batch classes"]:
    """Float64 keys in [0, 1) for each class of each sample: functions of ``seed``, ``epoch`` and
    the sample's id, whatever the batch and the rank."""
    each = sample_ids[:, None] * np.int64(classes) + np.arange(classes, dtype=np.int64)
    hashes = hash_ids(seed_of(seed, "permuted_targets", epoch), each)
    return torch.from_numpy((hashes >> np.uint64(11)) * np.float64(2.0**-53))


class PermutedTargets(SofteningTerm):
    """Soft targets in which the probabilities of all classes but the most probable one are
    permuted, again for each sample in each epoch (DKPP; Furlanello et al., 2018)."""

    kind: Literal["permuted_targets"] = "permuted_targets"

    def without_gradient(self, classes: int | None, samples: int) -> str:
        """The permutation, where there is only one other class."""
        if classes != 2:
            return ""
        return "permutes nothing, since of two classes there is only one other; choose soft_targets"

    def loss(self, inputs: TermInputs) -> Tensor:
        """T^2 KL(permuted || softmax(student / T)) of the student's logits [B, C], mean over the
        batch, in nats; where a sample has a fallback label, cross-entropy with it."""
        target = inputs.mean_distribution()
        keys = permutation_keys(
            inputs.seed, inputs.epoch, inputs.batch.sample_ids, target.shape[-1]
        )
        losses = inputs.temperature**2 * divergence(
            inputs.logits,
            permute_others(target, keys.to(target.device)),
            temperature=inputs.temperature,
        )
        return with_fallback(losses, inputs.logits, inputs.fallback_labels).mean()

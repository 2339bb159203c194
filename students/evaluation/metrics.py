"""Metrics of a network's outputs: accuracy, likelihood, calibration, agreement.

B samples, C classes. ``scores`` are logits or log-probabilities; a softmax of the latter
gives the probabilities back, so both mean the same. All is computed in float64. Samples with
target -1 have no label and do not count; a figure of no samples is NaN.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import nll_loss, one_hot

CALIBRATION_BINS = 15


def accuracy(scores_BC: Float[Tensor, "batch classes"], targets_B: Int[Tensor, " batch"]) -> float:
    """The share of samples whose largest score is the target's (of equal ones, the first)."""
    labelled_B = targets_B >= 0
    return _mean((scores_BC.argmax(1) == targets_B)[labelled_B])


def negative_log_likelihood(
    scores_BC: Float[Tensor, "batch classes"], targets_B: Int[Tensor, " batch"]
) -> float:
    """Mean of -log p(target), in nats; infinite where the probability of a target is zero."""
    labelled_B = targets_B >= 0
    log_BC = torch.log_softmax(scores_BC[labelled_B].double(), dim=1)
    return _mean(nll_loss(log_BC, targets_B[labelled_B], reduction="none"))


def calibration_error(
    scores_BC: Float[Tensor, "batch classes"],
    targets_B: Int[Tensor, " batch"],
    *,
    bins: int = CALIBRATION_BINS,
) -> float:
    """Expected calibration error: sum_m |B_m|/n |accuracy(B_m) - confidence(B_m)|, in [0, 1].

    B_m are the samples whose largest probability lies in ((m-1)/bins, m/bins].
    Source: Guo et al. (2017), equation 3.
    """
    labelled_B = targets_B >= 0
    if not labelled_B.any():
        return float("nan")
    confidence_B, predicted_B = scores_BC[labelled_B].double().softmax(dim=1).max(dim=1)
    correct_B = (predicted_B == targets_B[labelled_B]).double()
    edges = torch.arange(1, bins, dtype=torch.float64, device=confidence_B.device) / bins
    gaps = torch.zeros(bins, dtype=torch.float64, device=confidence_B.device)
    gaps.index_add_(0, torch.bucketize(confidence_B, edges), correct_B - confidence_B)
    return float(gaps.abs().sum() / len(confidence_B))


def agreement(
    scores_BC: Float[Tensor, "batch classes"], others_BC: Float[Tensor, "batch classes"]
) -> float:
    """The share of samples, labelled or not, for which both predict the same class."""
    return _mean(scores_BC.argmax(1) == others_BC.argmax(1))


def per_class_accuracy(
    scores_BC: Float[Tensor, "batch classes"], targets_B: Int[Tensor, " batch"]
) -> Float[Tensor, " classes"]:
    """The accuracy on the samples of each class; NaN for a class without samples."""
    predicted_BC = one_hot(scores_BC.argmax(1), scores_BC.shape[1]).double()
    return mean_soft_targets(predicted_BC, targets_B, scores_BC.shape[1]).diagonal().clone()


def mean_soft_targets(
    probabilities_BC: Float[Tensor, "batch classes"], targets_B: Int[Tensor, " batch"], classes: int
) -> Float[Tensor, "true classes"]:
    """The mean soft target per class: row c is the mean distribution over samples of class c.

    Rows sum to one; a class without samples has a row of NaN. float64.
    """
    labelled_B = targets_B >= 0
    mine_BC = one_hot(targets_B[labelled_B], classes).double()
    sums = mine_BC.T @ probabilities_BC[labelled_B].double()
    return sums / mine_BC.sum(dim=0).unsqueeze(1)


def _mean(values_B: Float[Tensor, " batch"] | Bool[Tensor, " batch"]) -> float:
    return float(values_B.double().mean())

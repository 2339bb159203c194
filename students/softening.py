"""The one place that softens: K teachers' logits become one distribution per sample.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from students.single_precision import at_least_single

Mean = Literal["arithmetic", "geometric"]


def soften_one(
    logits_BC: Float[Tensor, "batch classes"], temperature: float
) -> Float[Tensor, "batch classes"]:
    """softmax(z / T): one network's distribution at ``temperature`` (> 0).

    T to infinity gives 1/C each, T to 0 the one-hot vector of the largest logit.
    Source: Hinton, Vinyals & Dean (2015), section 2.
    """
    return torch.softmax(at_least_single(logits_BC) / temperature, dim=-1)


def soften(
    teacher_logits_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "teachers batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
    *,
    temperature: float,
    mean: Mean,
) -> Float[Tensor, "batch classes"]:
    """The distribution on which the teachers agree at ``temperature`` (> 0).

    Each teacher is softened over the classes that it knows: q_k = softmax(z_k / T). Then

    - ``arithmetic``: sum_k w_k q_k. A class gets no probability from a teacher that does
      not know it.
    - ``geometric``: softmax over the classes of the mean of log q_k, taken for each class
      over the teachers that know it; where all know all, softmax(sum_k w_k z_k / T). A class
      that nobody present knows gets no probability.

    Weights count among the teachers present, for each sample: they are divided by their sum.
    Rows sum to one; where nobody is present, or all weights are zero, the row is zero, which
    teaches nothing. What an absent teacher's logits hold does not matter.
    Source: Hinton, Vinyals & Dean (2015), sections 1 and 3.
    """
    logits_KBC = at_least_single(teacher_logits_KBC)
    known_K1C = known_KC.unsqueeze(1)
    speaks_KB = present_KB & known_KC.any(dim=1, keepdim=True)
    weights_KB = among_present(weights_KB.to(logits_KBC.dtype), speaks_KB)
    heard_KBC = speaks_KB.unsqueeze(2) & known_K1C
    log_probabilities_KBC = torch.log_softmax(
        (logits_KBC / temperature).masked_fill(~known_K1C, -torch.inf), dim=-1
    )
    if mean == "arithmetic":
        probabilities_KBC = torch.where(heard_KBC, log_probabilities_KBC.exp(), 0.0)
        return (weights_KB.unsqueeze(2) * probabilities_KBC).sum(dim=0)
    return _geometric(torch.where(heard_KBC, log_probabilities_KBC, 0.0), weights_KB, heard_KBC)


def among_present(
    weights_KB: Float[Tensor, "teachers batch"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """The weights divided by their sum over the teachers present; zero where nobody is."""
    kept_KB = torch.where(present_KB, weights_KB, 0.0)
    total_B = kept_KB.sum(dim=0)
    return kept_KB / torch.where(total_B > 0, total_B, 1.0)


def _geometric(
    log_probabilities_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "teachers batch"],
    heard_KBC: Bool[Tensor, "teachers batch classes"],
) -> Float[Tensor, "batch classes"]:
    shares_KBC = weights_KB.unsqueeze(2) * heard_KBC
    told_BC = shares_KBC.sum(dim=0)
    mean_BC = (shares_KBC * log_probabilities_KBC).sum(dim=0) / torch.where(
        told_BC > 0, told_BC, 1.0
    )
    # A row of which nobody tells anything is softened from zeros, since from -inf it is NaN.
    anybody_B1 = (told_BC > 0).any(dim=1, keepdim=True)
    scores_BC = torch.where((told_BC > 0) | ~anybody_B1, mean_BC, -torch.inf)
    return torch.where(anybody_B1, torch.softmax(scores_BC, dim=-1), 0.0)

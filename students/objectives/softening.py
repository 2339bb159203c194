"""The one place that softens: K teachers' logits become one distribution per sample.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from typing import Literal

from students.lazy_imports import Bool, Float, Int, Tensor, torch

Mean = Literal["arithmetic", "geometric"]

SMALLEST_DEVIATION = 1e-7
"""Added to what ``standardized`` divides by, as in the code of Sun et al. (2024)."""


def at_least_single(tensor: Tensor) -> Tensor:
    """``tensor`` in float32 if it was of a half type, else as it is (float64 stays).

    Losses are computed so: under autocast a network's logits are bfloat16, whose eight bits are
    too few for logarithms of probabilities.
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def top_class(probabilities_BC: Float[Tensor, "batch classes"]) -> Int[Tensor, " batch"]:
    """The most probable class, the first of equals; -1 for a row of zeros."""
    answered_B = probabilities_BC.sum(dim=-1) > 0
    return torch.where(answered_B, probabilities_BC.argmax(dim=-1), -1)


def standardized(
    logits: Float[Tensor, "*rows classes"], known: Bool[Tensor, "*#rows classes"] | None = None
) -> Float[Tensor, "*rows classes"]:
    """(z - mean) / (deviation + 1e-7) of each row, over the classes ``known``; 0 elsewhere.

    The deviation is the unbiased one, and 1e-7 the authors', both as released: at C classes a
    row comes out with squares that sum to C - 1. Adding a constant to a row or multiplying it by
    a positive one changes nothing. A row of equal logits, or of one class, comes out as zeros.
    Source: Sun et al. (2024), section 4, and their code.
    """
    logits = at_least_single(logits)
    counted = (
        torch.ones_like(logits, dtype=torch.bool) if known is None else known.expand_as(logits)
    )
    count = counted.sum(dim=-1, keepdim=True)
    mean = torch.where(counted, logits, 0.0).sum(dim=-1, keepdim=True) / count.clamp(min=1)
    centred = torch.where(counted, logits - mean, 0.0)
    # The norm, and not the root of a mean of squares, for its gradient at zero is zero, not NaN.
    length: Tensor = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    deviation = length / (count - 1).clamp(min=1).sqrt()
    return centred / (deviation + SMALLEST_DEVIATION)


def soften_one(
    logits_BC: Float[Tensor, "batch classes"], temperature: float
) -> Float[Tensor, "batch classes"]:
    """softmax(z / T): one network's distribution at ``temperature`` (> 0).

    Source: Hinton, Vinyals & Dean (2015), section 2.
    """
    return torch.softmax(at_least_single(logits_BC) / temperature, dim=-1)


def soften(
    teacher_logits_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "*rules teachers batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
    *,
    temperature: float,
    mean: Mean,
    log: bool = False,
) -> Float[Tensor, "*rules batch classes"]:
    """The distribution on which the teachers agree at ``temperature`` (> 0).

    Each teacher is softened over the classes that it covers: q_k = softmax(z_k / T). Then

    - ``arithmetic``: sum_k w_k q_k. A class gets no probability from a teacher that does
      not cover it.
    - ``geometric``: softmax over the classes of the mean of log q_k, taken for each class
      over the teachers that cover it; where all cover all, softmax(sum_k w_k z_k / T). A class
      that no present teacher covers gets no probability.

    Weights count among the teachers present, for each sample: they are divided by their sum.
    Rows sum to one; where none is present, or all weights are zero, the row is zero. An
    absent teacher's logits may hold anything. Several rules' weights at once give a distribution
    by each. With ``log`` the logarithms, -inf for zero, which are right far below the smallest
    number of the type: a teacher that is sure to rounding still distinguishes its other classes.
    Source: Hinton, Vinyals & Dean (2015), sections 1 and 3.
    """
    logits_KBC = at_least_single(teacher_logits_KBC)
    known_K1C = known_KC.unsqueeze(1)
    answers_KB = present_KB & known_KC.any(dim=1, keepdim=True)
    weights_KB = normalized_weights(weights_KB.to(logits_KBC.dtype), answers_KB)
    log_KBC = torch.log_softmax(
        (logits_KBC / temperature).masked_fill(~known_K1C, -torch.inf), dim=-1
    )
    usable_KBC = answers_KB.unsqueeze(2) & known_K1C
    log_KBC = torch.where(usable_KBC, log_KBC, 0.0)
    combine = _arithmetic if mean == "arithmetic" else _geometric
    return combine(log_KBC, weights_KB.unsqueeze(-1), usable_KBC, log)


def normalized_weights(
    weights_KB: Float[Tensor, "*rules teachers batch"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "*rules teachers batch"]:
    """The weights divided by their sum over the teachers present; zero where none is."""
    kept_KB = torch.where(present_KB, weights_KB, 0.0)
    total_1B = kept_KB.sum(dim=-2, keepdim=True)
    return kept_KB / torch.where(total_1B > 0, total_1B, 1.0)


def _arithmetic(
    log_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB1: Float[Tensor, "*rules teachers batch 1"],
    usable_KBC: Bool[Tensor, "teachers batch classes"],
    log: bool,
) -> Float[Tensor, "*rules batch classes"]:
    if not log:
        return (weights_KB1 * torch.where(usable_KBC, log_KBC.exp(), 0.0)).sum(dim=-3)
    log_weights_KB1 = torch.where(weights_KB1 > 0, weights_KB1, 1.0).log()
    # What is -inf here is a constant, so that the NaN which is its gradient goes nowhere.
    counts_KBC = usable_KBC & (weights_KB1 > 0)
    return torch.where(counts_KBC, log_weights_KB1 + log_KBC, -torch.inf).logsumexp(dim=-3)


def _geometric(
    log_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB1: Float[Tensor, "*rules teachers batch 1"],
    usable_KBC: Bool[Tensor, "teachers batch classes"],
    log: bool,
) -> Float[Tensor, "*rules batch classes"]:
    shares_KBC = weights_KB1 * usable_KBC
    weight_BC = shares_KBC.sum(dim=-3)
    mean_BC = (shares_KBC * log_KBC).sum(dim=-3) / torch.where(weight_BC > 0, weight_BC, 1.0)
    # A row without any answer is softened from zeros, since from -inf it is NaN.
    answered_B1 = (weight_BC > 0).any(dim=-1, keepdim=True)
    scores_BC = torch.where((weight_BC > 0) | ~answered_B1, mean_BC, -torch.inf)
    if log:
        return torch.where(answered_B1, torch.log_softmax(scores_BC, dim=-1), -torch.inf)
    return torch.where(answered_B1, torch.softmax(scores_BC, dim=-1), 0.0)

"""The one place that softens: K teachers' logits become one distribution per sample.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from typing import Literal

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, Int, Tensor, torch
from students.objectives.loss_precision import at_least_single

Mean = Literal["arithmetic", "geometric"]

SMALLEST_DEVIATION = 1e-7
"""Added to what ``standardized`` divides by, as in the code of Sun et al. (2024)."""


def mean_distribution(
    knowledge: Knowledge, temperature: float, mean: Mean, *, standardize: bool = False
) -> Float[Tensor, "batch classes"]:
    """The ensemble's distribution: ``soften`` of K teachers' logits.

    With ``standardize`` each teacher's row is standardised first, over the classes it knows.
    No gradient reaches a teacher; that of the weights reaches the gating network that made them.
    """
    logits_KBC = knowledge.logits.detach()
    if standardize:
        logits_KBC = standardized(logits_KBC, knowledge.known.unsqueeze(1))
    return soften(
        logits_KBC,
        knowledge.shares,
        knowledge.known,
        knowledge.present,
        temperature=temperature,
        mean=mean,
    )


def log_mean_distribution(
    knowledge: Knowledge, temperature: float, mean: Mean
) -> Float[Tensor, "batch classes"]:
    """The logarithms of ``agreed``, exact also where a probability is too small for its type."""
    return soften_log(
        knowledge.logits.detach(),
        knowledge.shares,
        knowledge.known,
        knowledge.present,
        temperature=temperature,
        mean=mean,
    )


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

    T to infinity gives 1/C each, T to 0 the one-hot vector of the largest logit.
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
) -> Float[Tensor, "*rules batch classes"]:
    """The distribution on which the teachers agree at ``temperature`` (> 0).

    Each teacher is softened over the classes that it knows: q_k = softmax(z_k / T). Then

    - ``arithmetic``: sum_k w_k q_k. A class gets no probability from a teacher that does
      not know it.
    - ``geometric``: softmax over the classes of the mean of log q_k, taken for each class
      over the teachers that know it; where all know all, softmax(sum_k w_k z_k / T). A class
      that no present teacher knows gets no probability.

    Weights count among the teachers present, for each sample: they are divided by their sum.
    Rows sum to one; where none is present, or all weights are zero, the row is zero. An
    absent teacher's logits may hold anything. Several rules' weights
    at once give a distribution by each.
    Source: Hinton, Vinyals & Dean (2015), sections 1 and 3.
    """
    log_probabilities_KBC, weights_KB, usable_KBC = _log_probabilities(
        teacher_logits_KBC, weights_KB, known_KC, present_KB, temperature
    )
    if mean == "arithmetic":
        probabilities_KBC = torch.where(usable_KBC, log_probabilities_KBC.exp(), 0.0)
        return (weights_KB.unsqueeze(-1) * probabilities_KBC).sum(dim=-3)
    scores_BC, answered_B1 = _geometric(
        torch.where(usable_KBC, log_probabilities_KBC, 0.0), weights_KB, usable_KBC
    )
    return torch.where(answered_B1, torch.softmax(scores_BC, dim=-1), 0.0)


def soften_log(
    teacher_logits_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "teachers batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
    *,
    temperature: float,
    mean: Mean,
) -> Float[Tensor, "batch classes"]:
    """The logarithms of ``soften``; -inf for a class without probability.

    Computed without the probabilities, so that they are right far below the smallest number of
    the type: a teacher that is sure to rounding still tells its other classes apart.
    """
    log_probabilities_KBC, weights_KB, usable_KBC = _log_probabilities(
        teacher_logits_KBC, weights_KB, known_KC, present_KB, temperature
    )
    log_probabilities_KBC = torch.where(usable_KBC, log_probabilities_KBC, 0.0)
    if mean == "geometric":
        scores_BC, answered_B1 = _geometric(log_probabilities_KBC, weights_KB, usable_KBC)
        return torch.where(answered_B1, torch.log_softmax(scores_BC, dim=-1), -torch.inf)
    counts_KBC = usable_KBC & (weights_KB > 0).unsqueeze(2)
    log_weights_KB = torch.where(weights_KB > 0, weights_KB, 1.0).log()
    # What is -inf here is a constant, so that the NaN which is its gradient goes nowhere.
    parts_KBC = torch.where(
        counts_KBC, log_weights_KB.unsqueeze(2) + log_probabilities_KBC, -torch.inf
    )
    return parts_KBC.logsumexp(dim=0)


def normalized_weights(
    weights_KB: Float[Tensor, "*rules teachers batch"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "*rules teachers batch"]:
    """The weights divided by their sum over the teachers present; zero where none is."""
    kept_KB = torch.where(present_KB, weights_KB, 0.0)
    total_1B = kept_KB.sum(dim=-2, keepdim=True)
    return kept_KB / torch.where(total_1B > 0, total_1B, 1.0)


def _log_probabilities(
    teacher_logits_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "*rules teachers batch"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
    temperature: float,
) -> tuple[
    Float[Tensor, "teachers batch classes"],
    Float[Tensor, "*rules teachers batch"],
    Bool[Tensor, "teachers batch classes"],
]:
    """Each teacher's log-probabilities over its classes, its weight, and which of them count."""
    logits_KBC = at_least_single(teacher_logits_KBC)
    known_K1C = known_KC.unsqueeze(1)
    answers_KB = present_KB & known_KC.any(dim=1, keepdim=True)
    weights_KB = normalized_weights(weights_KB.to(logits_KBC.dtype), answers_KB)
    log_probabilities_KBC = torch.log_softmax(
        (logits_KBC / temperature).masked_fill(~known_K1C, -torch.inf), dim=-1
    )
    return log_probabilities_KBC, weights_KB, answers_KB.unsqueeze(2) & known_K1C


def _geometric(
    log_probabilities_KBC: Float[Tensor, "teachers batch classes"],
    weights_KB: Float[Tensor, "*rules teachers batch"],
    usable_KBC: Bool[Tensor, "teachers batch classes"],
) -> tuple[Float[Tensor, "*rules batch classes"], Bool[Tensor, "*rules batch 1"]]:
    """What the softmax over the classes is taken of, and which rows have any answer."""
    shares_KBC = weights_KB.unsqueeze(-1) * usable_KBC
    weight_BC = shares_KBC.sum(dim=-3)
    mean_BC = (shares_KBC * log_probabilities_KBC).sum(dim=-3) / torch.where(
        weight_BC > 0, weight_BC, 1.0
    )
    # A row without any answer is softened from zeros, since from -inf it is NaN.
    answered_B1 = (weight_BC > 0).any(dim=-1, keepdim=True)
    return torch.where((weight_BC > 0) | ~answered_B1, mean_BC, -torch.inf), answered_B1

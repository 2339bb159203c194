"""Prior correction: one shift per class that makes the mean prediction uniform.

B samples, C classes.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

TOLERANCE = 1e-6
MOST_ITERATIONS = 200
_INTERMEDIATE_TOLERANCE = 0.01
_GENTLE_SPREAD = 20.0


def prior_correction(scores_BC: Float[Tensor, "batch classes"]) -> Float[Tensor, " classes"]:
    """The shift s [C] for which mean_b softmax(z_b + s) = 1/C; float64, its mean is 0.

    ``scores_BC`` are logits or log-probabilities of the validation samples, all finite; no
    label is used. It stops when no class's mean is further than ``TOLERANCE``/C from 1/C, or
    after ``MOST_ITERATIONS`` at each of a few softnesses with the best shift found.

    The shift minimises mean_b logsumexp(z_b + s) - mean_c s_c, which is convex and whose
    gradient is the deviation itself; it is unique up to a constant. s - log(C mean p) lowers
    it always (this is Sinkhorn's iteration), but slowly where predictions are sharp; Newton's
    step is fast near the minimum and erratic far from it. So both are tried, and the better
    is taken. Hinton et al. (2015), section 3, raised one class's bias by hand to the same end.

    Raises:
        ValueError: there are no samples, or a score is not finite.
    """
    scores_BC = scores_BC.double()
    if scores_BC.numel() == 0 or not bool(scores_BC.isfinite().all()):
        raise ValueError(
            f"`scores_BC` of shape {tuple(scores_BC.shape)} has no samples or holds a value that "
            "is not finite; give the logits of the validation samples."
        )
    shift_C = torch.zeros(scores_BC.shape[1], dtype=torch.float64, device=scores_BC.device)
    for softness in _softnesses(scores_BC):
        tolerance = TOLERANCE if softness == 1.0 else _INTERMEDIATE_TOLERANCE
        shift_C = softness * _minimize(scores_BC / softness, shift_C / softness, tolerance)
    return shift_C - shift_C.mean()


def _softnesses(scores_BC: Float[Tensor, "batch classes"]) -> list[float]:
    """Powers of two down to 1: very sharp predictions are made uniform in gentler versions first.

    Each version's shift, scaled, is where the next one starts.
    """
    spread = float((scores_BC.amax(dim=1) - scores_BC.amin(dim=1)).mean())
    halvings = max(0, math.ceil(math.log2(max(spread, 1.0) / _GENTLE_SPREAD)))
    return [2.0**power for power in range(halvings, -1, -1)]


def _minimize(
    scores_BC: Float[Tensor, "batch classes"],
    shift_C: Float[Tensor, " classes"],
    tolerance: float,
) -> Float[Tensor, " classes"]:
    classes = scores_BC.shape[1]
    for _ in range(MOST_ITERATIONS):
        log_mean_C, newton_C = _deviation(scores_BC + shift_C)
        sinkhorn_C = -(log_mean_C + math.log(classes))
        if float(sinkhorn_C.neg().expm1().abs().max()) <= tolerance:
            break
        shift_C = _better(scores_BC, shift_C + sinkhorn_C, shift_C + newton_C)
    return shift_C


def _deviation(
    shifted_BC: Float[Tensor, "batch classes"],
) -> tuple[Float[Tensor, " classes"], Float[Tensor, " classes"]]:
    """The logarithm of the mean prediction, and Newton's step."""
    samples, classes = shifted_BC.shape
    log_BC = torch.log_softmax(shifted_BC, dim=1)
    log_mean_C = torch.logsumexp(log_BC, dim=0) - math.log(samples)
    mean_C, probabilities_BC = log_mean_C.exp(), log_BC.exp()
    hessian_CC = torch.diag(mean_C) - probabilities_BC.T @ probabilities_BC / samples
    # Adding a constant to the shift changes nothing, so the Hessian is singular along it.
    ridge = 1.0 / classes**2 + 1e-12 * torch.eye(classes, dtype=torch.float64, device=mean_C.device)
    step_C, _ = torch.linalg.solve_ex(hessian_CC + ridge, 1.0 / classes - mean_C)
    return log_mean_C, step_C


def _better(
    scores_BC: Float[Tensor, "batch classes"], *shifts: Float[Tensor, " classes"]
) -> Float[Tensor, " classes"]:
    heights = [
        float(torch.logsumexp(scores_BC + shift_C, dim=1).mean() - shift_C.mean())
        for shift_C in shifts
    ]
    finite = [height if math.isfinite(height) else math.inf for height in heights]
    return shifts[finite.index(min(finite))]

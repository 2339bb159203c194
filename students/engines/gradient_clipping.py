"""Gradient clipping: the norm and the factor to scale by, in the same bits for every engine.

DeepSpeed has a formula of its own for each ZeRO stage: the norm is taken in float32 or float64,
over other pieces, and stage 0 multiplies by ``c / (n + 1e-6)`` where the others divide by
``(n + 1e-6) / c``. The results differ in their last bits. So no engine is asked to clip: each
hands its gradients in and scales them by the factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LARGEST_NORM = 1e18
"""A norm beyond this counts as not finite: its square no longer fits into a float32, and
DeepSpeed would skip the step where another engine takes it."""


@dataclass(frozen=True)
class Clipping:
    """The gradients' ``norm``, whether a step may be taken, and the ``factor`` to scale by."""

    norm: float
    finite: bool
    factor: float


def squared_norm(gradients: Iterable[Tensor]) -> float:
    """The sum of the squares of all entries.

    Float64 for each tensor, read in its logical order; the tensors' sums are added exactly
    (``fsum``), so it does not matter in which order or shape an engine keeps them.
    """
    norms = [
        torch.linalg.vector_norm(gradient.detach().reshape(-1), dtype=torch.float64)
        for gradient in gradients
    ]
    # One transfer for all, for on an accelerator each would wait.
    return math.fsum(norm * norm for norm in torch.stack(norms).tolist()) if norms else 0.0


def clipping_for(squared: float, limit: float | Literal["none"]) -> Clipping:
    """Clipping by the norm n of all gradients: the factor is ``min(1, limit / (n + 1e-6))``.

    (Pascanu et al., 2013, algorithm 1; the small number as in ``torch.nn.utils``.)
    """
    norm = math.sqrt(squared)
    finite = norm < LARGEST_NORM
    if limit == "none" or not finite:
        return Clipping(norm, finite, 1.0)
    return Clipping(norm, finite, min(1.0, limit / (norm + 1e-6)))

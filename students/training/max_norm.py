"""The max-norm constraint: no unit's incoming weights grow beyond a given length."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def limited_to(largest: float) -> Callable[[str, Tensor], Tensor | None]:
    """A change of parameters that scales down each unit whose incoming weights are too long.

    A unit's incoming weights are one slice along the first axis of a matrix or kernel; its
    L2 norm is brought down to ``largest`` where it is greater (Hinton et al., 2012,
    *Improving neural networks by preventing co-adaptation*, section 2). Biases and
    parameters of adapters stay as they are.
    """

    def change(name: str, value: Tensor) -> Tensor | None:
        if value.ndim < 2 or not name.startswith("model."):
            return None
        norms = torch.linalg.vector_norm(value.flatten(1), dim=1)
        if not bool((norms > largest).any()):
            return None
        scale = (largest / norms.clamp_min(1e-12)).clamp_max(1.0)
        limited: Tensor = value * scale.view(-1, *[1] * (value.ndim - 1))
        return limited

    return change

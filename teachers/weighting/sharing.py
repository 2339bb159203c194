"""One vote for each sample, shared equally among those chosen.

B batch, K teachers.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def shared_equally(
    chosen_KB: Bool[Tensor, "teachers batch"],
) -> Float[Tensor, "teachers batch"]:
    """1/n for each of the n that are chosen for a sample, 0 for others; all 0 where none is."""
    counts_B = chosen_KB.sum(dim=0)
    return chosen_KB.to(torch.get_default_dtype()) / counts_B.clamp(min=1)

"""The precision losses are computed in: single at least, whatever the network ran in."""

from __future__ import annotations

from students.lazy_imports import Tensor, torch


def at_least_single(tensor: Tensor) -> Tensor:
    """``tensor`` in float32 if it was of a half type, else as it is (float64 stays).

    Under autocast a network's logits are bfloat16, whose eight bits are too few for
    logarithms of probabilities.
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor

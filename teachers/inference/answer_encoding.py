"""How an answer is kept and shipped: half precision, finite, as the student will get it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LARGEST = float(np.finfo(np.float16).max)


class NotNumbers(ValueError):
    """Answers that no student can learn from; ``row`` is the first of the samples."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


def encoded(values: Tensor) -> npt.NDArray[np.float16]:
    """Float tensor [B, ...] to float16, rounded to nearest; beyond its range the largest value.

    Raises:
        NotNumbers: a value is not a number.
    """
    missing = torch.isnan(values)
    if bool(missing.any()):
        row = int(missing.nonzero()[0, 0])
        raise NotNumbers("answered with values that are not numbers (NaN)", row)
    clamped = values.detach().float().clamp(-LARGEST, LARGEST)
    result: npt.NDArray[np.float16] = clamped.to(torch.float16).cpu().numpy()
    return result


def decoded(values: npt.NDArray[np.float16]) -> Tensor:
    """The float32 tensor that ``values`` stand for (a copy; shipped arrays are read-only)."""
    return torch.from_numpy(values.astype(np.float32))

"""How an answer is stored and streamed: half precision, finite, as the student gets it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from students.knowledge import LOGITS
from teachers.errors import InvalidAnswer
from teachers.inference.inference_config import InferenceConfig

LARGEST = float(np.finfo(np.float16).max)


class NotNumbers(ValueError):
    """A teacher's output has values that are not numbers; ``row`` is the first such sample."""

    def __init__(self, row: int) -> None:
        super().__init__("answered with values that are not numbers (NaN)")
        self.row = row

    def as_error(
        self, teacher: str, path: str, ids: npt.NDArray[np.int64], inference: InferenceConfig
    ) -> InvalidAnswer:
        """The error of a ``teacher``, whose place in the recipe is ``path``, run with
        ``inference``, for its input samples ``ids`` [B]."""
        remedy = "check its weights"
        if inference.precision != "fp32":
            remedy += f", or take `{path}.precision` back to fp32"
        message = f"teacher '{teacher}' {self}, first to sample {ids[self.row]}; {remedy}"
        return InvalidAnswer(message, path=path)


def raise_if_not_numbers(values: Tensor) -> None:
    """Checks a float tensor [B, ...].

    Raises:
        NotNumbers: a value is not a number.
    """
    missing = torch.isnan(values)
    if bool(missing.any()):
        raise NotNumbers(int(missing.nonzero()[0, 0]))


def encode(values: Tensor) -> npt.NDArray[np.float16]:
    """Float tensor [B, ...] to float16, rounded to nearest; beyond its range the largest value.

    Raises:
        NotNumbers: a value is not a number.
    """
    raise_if_not_numbers(values)
    clamped = values.detach().float().clamp(-LARGEST, LARGEST)
    result: npt.NDArray[np.float16] = clamped.to(torch.float16).cpu().numpy()
    return result


def out_of_range(columns: Mapping[str, Tensor]) -> str:
    """What a user should know of values that ``encode`` limits; empty if there are none.

    Logits below the range are none: a class that is so improbable stays so.
    """
    found = []
    for name, values in columns.items():
        largest = float((values if name == LOGITS else values.abs()).amax()) if len(values) else 0.0
        if largest > LARGEST:
            found.append(f"its {name.removeprefix('tap.')} reach {largest:.3g}")
    if not found:
        return ""
    return (
        f"{' and '.join(found)}, beyond {LARGEST:.0f}, the largest number of the float16 in which "
        "answers are kept and sent; such values are replaced by it, so scale them down in its model"
    )


def decode(values: npt.NDArray[np.float16]) -> Tensor:
    """The float32 tensor of ``values`` (a copy; arrays from another process are read-only)."""
    return torch.from_numpy(values.astype(np.float32))

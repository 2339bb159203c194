"""What is said of a teacher whose answer is not a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teachers.errors import AnswerSpoilt
from teachers.inference.answer_encoding import NotNumbers
from teachers.inference.inference_config import InferenceConfig


def spoilt(
    name: str, error: NotNumbers, sample_ids: npt.NDArray[np.int64], inference: InferenceConfig
) -> AnswerSpoilt:
    """The sentence on teacher ``name``, run in ``manner``, which was asked for ``sample_ids``."""
    place = f"teachers.{name}"
    remedy = "see to its weights"
    if inference.precision != "fp32":
        remedy += f", or take `{place}.precision` back to fp32"
    sample = int(sample_ids[error.row])
    return AnswerSpoilt(f"teacher '{name}' {error}, first to sample {sample}; {remedy}", path=place)

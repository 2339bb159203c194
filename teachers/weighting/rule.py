"""What a weighting rule is told of one micro-batch, and what it answers.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Said:
    """What K teachers said about one micro-batch.

    ``logits`` float32 [K, B, C], with whatever noise is on them; ``known`` bool [K, C], the
    classes a teacher knows; ``present`` bool [K, B], who answered (what others' logits hold
    does not matter); ``labels`` int64 [B], those that the student is given and -1 elsewhere,
    or none where no rule wants them; ``sample_ids`` int64 [B].
    """

    logits: Float[Tensor, "teachers batch classes"]
    known: Bool[Tensor, "teachers classes"]
    present: Bool[Tensor, "teachers batch"]
    labels: Int[Tensor, " batch"] | None
    sample_ids: npt.NDArray[np.int64]
    epoch: int

    @property
    def given_labels(self) -> Int[Tensor, " batch"]:
        """The labels, for a rule that needs them.

        Raises:
            ValueError: there are none.
        """
        if self.labels is None:
            raise ValueError("`labels` is None: whoever builds a rule that needs them gives them")
        return self.labels


@dataclass(frozen=True)
class Weighed:
    """What a rule makes of it.

    ``weights`` [K, B], at least 0, summing to one over the teachers present and 0 for the
    absent; or none, where the student's gate makes them. ``fallback_labels`` int64
    [B]: the class that stands in where all weights are 0, -1 elsewhere. ``logits`` and
    ``known``: what the teachers are taken to have said, where a rule completes it.
    """

    weights: Float[Tensor, "teachers batch"] | None
    fallback_labels: Int[Tensor, " batch"] | None = None
    logits: Float[Tensor, "teachers batch classes"] | None = None
    known: Bool[Tensor, "teachers classes"] | None = None


class Rule(ABC):
    """One way of weighing teachers: a function of what was said, and of nothing else."""

    needs_labels: ClassVar[bool] = False
    """Whether it looks at ``Said.labels``."""

    @abstractmethod
    def __call__(self, said: Said) -> Weighed:
        """What becomes of one micro-batch."""

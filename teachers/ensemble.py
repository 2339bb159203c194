"""An ensemble: gathers what K teachers said about one micro-batch into knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from students.knowledge import Answer, Knowledge
from teachers.config import Fixed, Uniform
from teachers.encoding import decoded
from teachers.weighting import teacher_weights


@dataclass(frozen=True)
class Ensemble:
    """K teachers, by name, in the order in which their answers stand in knowledge."""

    names: tuple[str, ...]
    classes: int
    weighting: Uniform | Fixed

    def gather(self, answers: Sequence[Answer]) -> Knowledge:
        """Knowledge from one answer [B, C] of each teacher, in the order of ``names``."""
        # In one thread: a student's threads would wait for each other longer than this takes.
        logits = decoded(np.stack([answer.logits for answer in answers]))
        teachers, samples, _ = logits.shape
        weights = torch.tensor(teacher_weights(self.weighting, self.names))
        return Knowledge(
            logits=logits,
            known=torch.ones(teachers, self.classes, dtype=torch.bool),
            present=torch.ones(teachers, samples, dtype=torch.bool),
            weights=weights[:, None].expand(teachers, samples),
            taps={
                name: {tap: decoded(values) for tap, values in answer.taps.items()}
                for name, answer in zip(self.names, answers, strict=True)
            },
        )

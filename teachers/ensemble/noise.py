"""Noise on teachers' logits: a function of seed, teacher, epoch and sample id.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from students.knowledge import Question
from students.randomness import seed_of
from teachers.config import Noise
from teachers.weighting.random_draws import gaussians, origins, uniforms


def perturbed(
    logits_BC: Float[Tensor, "batch classes"],
    noise_BC: Float[Tensor, "batch classes"],
    chosen_B: Bool[Tensor, " batch"],
) -> Float[Tensor, "batch classes"]:
    """The logits with noise: z' = (1 + xi) z, element by element, for the samples that are chosen.

    With xi of mean 0 and deviation sigma and a sample chosen with probability p, the expected
    loss of the term ``logit_l2`` grows by p sigma^2 / 2 mean ||z||^2, which does not depend on
    the student: the mean gradient is the one without noise, and only its variance grows. Not so
    for softened distributions: softmax is not linear, so the mean target moves, and with it the
    mean gradient.
    Source: Sau & Balasubramanian (2016), algorithm 1; their second equation was not at hand.
    """
    return torch.where(chosen_B.unsqueeze(1), (1 + noise_BC) * logits_BC, logits_BC)


@dataclass(frozen=True)
class LogitNoise:
    """Noise as the recipe has it, drawn from ``seed``.

    With ``config.virtual`` = n the answers of one teacher become those of n, each with a noise of
    its own; the first of them is the one that there would be without the others.
    """

    config: Noise
    seed: int

    def apply(
        self,
        logits_KBC: Float[Tensor, "teachers batch classes"],
        question: Question,
        names: Sequence[str],
    ) -> Float[Tensor, "virtual batch classes"]:
        """The logits of teachers ``names`` as they are heard in the question's epoch; of one
        teacher [virtual, B, C]."""
        ids, virtual = question.sample_ids, self.config.virtual
        begin = np.stack(
            [
                origins(seed_of(self.seed, "noise", name, number, question.epoch), ids)
                for name in names
                for number in range(virtual)
            ]
        )
        plain = logits_KBC.repeat_interleave(virtual, dim=0)
        chosen, noise = self._drawn(begin, plain.shape[2])
        heard = perturbed(plain.flatten(0, 1), noise, chosen)
        return heard.view(plain.shape)

    def _drawn(self, begin: npt.NDArray[np.int64], classes: int) -> tuple[Tensor, Tensor]:
        """Which of the samples that begin at ``begin`` [K, B] are chosen, bool [K B], and their
        noise, float32 [K B, C]: the coin is a sample's first number, its noise the next ones."""
        flat = begin.ravel()
        chosen = uniforms(flat)[:, 0] <= self.config.probability
        noise = np.zeros((len(flat), classes), np.float32)
        noise[chosen] = self.config.sigma * gaussians(flat[chosen], classes, skip=1)
        return torch.from_numpy(chosen), torch.from_numpy(noise)

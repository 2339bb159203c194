"""Noise on teachers' logits: a function of seed, teacher, epoch and sample id.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def add_noise(
    noise: Noise,
    logits_KBC: Float[Tensor, "teachers batch classes"],
    question: Question,
    names: Sequence[str],
    seed: int,
) -> Float[Tensor, "virtual batch classes"]:
    """The logits of teachers ``names`` with the noise of the question's epoch, as ``perturbed``.

    With ``noise.virtual`` = n the logits of one teacher become those of n [n, B, C], each with
    noise of its own; the first is the one that there would be without the others.
    """
    begin = np.stack(
        [
            origins(seed_of(seed, "noise", name, number, question.epoch), question.sample_ids)
            for name in names
            for number in range(noise.virtual)
        ]
    )
    plain = logits_KBC.repeat_interleave(noise.virtual, dim=0)
    chosen, drawn = _drawn(noise, begin, plain.shape[2])
    return perturbed(plain.flatten(0, 1), drawn, chosen).view(plain.shape)


def _drawn(
    noise: Noise, begin: npt.NDArray[np.int64], classes: int
) -> tuple[Bool[Tensor, " rows"], Float[Tensor, "rows classes"]]:
    """Which of the K B samples are chosen, and their noise, float32; their sequences begin at
    ``begin`` [K, B]: the first number decides whether it is chosen, the next ones are its noise."""
    flat = begin.ravel()
    chosen = uniforms(flat)[:, 0] <= noise.probability
    values = np.zeros((len(flat), classes), np.float32)
    values[chosen] = noise.sigma * gaussians(flat[chosen], classes, skip=1)
    return torch.from_numpy(chosen), torch.from_numpy(values)

"""The rule ``random``: one teacher at random, for each sample or each micro-batch.

B batch, K teachers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from students.randomness import seed_of
from teachers.weighting.random_draws import origins, uniforms
from teachers.weighting.rule import Rule, Said, Weighed


def drawn(
    uniforms_KB: Float64[Tensor, "teachers batch"],
    given_K: Float64[Tensor, " teachers"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> Float[Tensor, "teachers batch"]:
    """1 for the teacher that is drawn for a sample, 0 for others; all 0 where nobody with a
    weight above zero is present.

    Each teacher runs a race of its own, -log(u) / w, which teacher k wins with probability
    w_k / sum w of those present: who is absent, or in what order they stand, changes nobody
    else's time.
    """
    runs_KB = present_KB & (given_K > 0).unsqueeze(1)
    times_KB = torch.where(runs_KB, -uniforms_KB.log() / given_K.unsqueeze(1), torch.inf)
    winners_B = times_KB.argmin(dim=0, keepdim=True)
    won_KB = torch.zeros_like(present_KB).scatter_(0, winners_B, value=True)
    return (won_KB & runs_KB).to(torch.get_default_dtype())


@dataclass(frozen=True)
class RandomRule(Rule):
    """Draws one of ``names`` with the probabilities ``weights`` [K], anew in each epoch: by
    sample, or by the first sample of the micro-batch.

    Source: Fukuda et al. (2017), who draw one for each batch.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    per: Literal["sample", "batch"]
    seed: int

    def __call__(self, said: Said) -> Weighed:
        """All of a sample's weight for one teacher."""
        ids = said.sample_ids
        if self.per == "batch":
            ids = np.broadcast_to(ids[:1], ids.shape)
        runs = [
            uniforms(origins(seed_of(self.seed, "random", name, said.epoch), ids))[:, 0]
            for name in self.names
        ]
        given = torch.tensor(self.weights, dtype=torch.float64)
        return Weighed(drawn(torch.from_numpy(np.stack(runs)), given, said.present))

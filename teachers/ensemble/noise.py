"""Noise on teachers' logits: a function of seed, teacher, epoch and sample id.

B batch, C classes, K teachers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from cluster.section import Reason, Section
from students.knowledge import Question
from students.lazy_imports import Bool, Float, Tensor, np, npt, torch
from students.randomness import seed_of
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


class Noise(Section):
    """Multiplicative noise on the teachers' logits (Sau & Balasubramanian, 2016).

    With ``virtual`` = n the answers of one teacher become those of n, each with noise of its own;
    the first is the one that there would be without the others.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="for each sample")
    sigma: Annotated[
        float,
        Field(ge=0, le=5),
        Reason("a logit is multiplied by 1 + such a draw, so 1 is as much noise as there is logit"),
    ] = Field(0.1, description="standard deviation")
    virtual: Annotated[int, Field(ge=1, le=1000), Reason("each costs a softmax")] = Field(
        1, description="teachers made of one, each with its own noise"
    )

    def apply(
        self,
        logits_KBC: Float[Tensor, "teachers batch classes"],
        question: Question,
        names: Sequence[str],
        seed: int,
    ) -> Float[Tensor, "virtual batch classes"]:
        """The logits of teachers ``names`` with the noise of the question's epoch; of one teacher
        [virtual, B, C]."""
        begin = np.stack(
            [
                origins(seed_of(seed, "noise", name, number, question.epoch), question.sample_ids)
                for name in names
                for number in range(self.virtual)
            ]
        )
        plain = logits_KBC.repeat_interleave(self.virtual, dim=0)
        chosen, noise = self._draw(begin, plain.shape[2])
        return perturbed(plain.flatten(0, 1), noise, chosen).view(plain.shape)

    def _draw(self, begin: npt.NDArray[np.int64], classes: int) -> tuple[Tensor, Tensor]:
        """Which samples are chosen, bool [K B], of those whose sequences begin at ``begin``
        [K, B], and their noise, float32 [K B, C]: a sample's first number decides whether it is
        chosen, the next ones are its noise."""
        flat = begin.ravel()
        chosen = uniforms(flat)[:, 0] <= self.probability
        noise = np.zeros((len(flat), classes), np.float32)
        noise[chosen] = self.sigma * gaussians(flat[chosen], classes, skip=1)
        return torch.from_numpy(chosen), torch.from_numpy(noise)

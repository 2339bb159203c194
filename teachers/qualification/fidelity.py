"""How near a teacher's answers, as a student gets them, are to its own logits in plain fp32.

N samples, C classes. All are pure functions of answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from students.knowledge import LOGITS
from students.objectives.softening import soften_one
from teachers.bank.columns import Column
from teachers.inference.answer_encoding import decode, encode

LARGEST_KL = 1e-3
"""Mean KL in nats at the ensemble's temperature. (ResNet-56 in bf16: 6e-5.)"""
SMALLEST_AGREEMENT = 0.995
WORST_KL = 1e9
"""Of samples that have no divergence."""


@dataclass(frozen=True)
class Fidelity:
    """How near answers are to those in plain fp32: ``mean_kl`` in nats, ``same_argmax`` as a
    share, both over ``samples``."""

    mean_kl: float
    same_argmax: float
    samples: int

    @property
    def passes(self) -> bool:
        """Whether it is faithful; one sample may always differ, since few have no finer steps."""
        differing = round((1.0 - self.same_argmax) * self.samples)
        allowed = max(1, math.floor((1.0 - SMALLEST_AGREEMENT) * self.samples + 1e-9))
        return self.mean_kl <= LARGEST_KL and differing <= allowed


def fidelity(
    given_NC: Float[Tensor, "samples classes"],
    plain_NC: Float[Tensor, "samples classes"],
    temperature: float,
) -> Fidelity:
    """Compares logits as a student gets them with those in plain fp32.

    KL from plain to given at ``temperature``, in nats, averaged over samples. Two classes whose
    plain logits are equal in float16 are the same argmax.
    """
    probabilities = soften_one(plain_NC.double(), temperature)
    ours = torch.log_softmax(given_NC.double() / temperature, dim=1)
    kl = (probabilities * (probabilities.clamp_min(1e-300).log() - ours)).sum(1)
    chosen = plain_NC.half().gather(1, given_NC.argmax(1, keepdim=True)).squeeze(1)
    same = chosen == plain_NC.half().amax(1)
    # Infinite logits have no distribution; and JSON has no infinity.
    mean_kl = float(kl.nan_to_num(nan=WORST_KL).mean().clamp(0.0, WORST_KL))
    return Fidelity(mean_kl, float(same.double().mean()), len(given_NC))


def stored(
    logits_NC: Float[Tensor, "samples classes"], top_k: int | None = None
) -> Float[Tensor, "samples classes"]:
    """The logits as a student gets them: in float16, and of all but the ``top_k`` largest of a
    sample (None: of none) their mean."""
    return decode(Column(LOGITS, (logits_NC.shape[1],), top_k).as_stored(encode(logits_NC)))


def smallest_top_k(
    plain_NC: Float[Tensor, "samples classes"], temperature: float, above: int
) -> int | None:
    """The smallest ``top_k`` larger than ``above`` that is faithful; None if no one is.

    By bisection, since what is left out shrinks as ``top_k`` grows.
    """
    low, high = above, plain_NC.shape[1]
    while high - low > 1:
        middle = (low + high) // 2
        passes = fidelity(stored(plain_NC, middle), plain_NC, temperature).passes
        low, high = (low, middle) if passes else (middle, high)
    return high if high < plain_NC.shape[1] else None

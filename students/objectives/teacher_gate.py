"""The gating network: weights the teachers for each sample by the student's own features.

B batch, K teachers, F features. Source: Liu, Zhang & Wang (2020), "Adaptive multi-teacher
multi-level knowledge distillation", and its released code.

It learns to lower the student's loss. That favours teachers that are easy to imitate, whether
or not they are the most accurate; only the penalty keeps it from choosing one of them.

Two departures. Latents begin at 0 and the readout at 1, so that the first weights are uniform,
not random. With ``learns_for`` the same student continues when the network is frozen; the released
code then trains a new student, for 200 epochs, with the finished network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, LazyModule, Tensor, nn, torch
from students.objectives.softening import at_least_single

GATE = "gate"
PENALTY = "gate.penalty"


@dataclass(frozen=True)
class Gating:
    """How a student weights its teachers itself: by its own ``layer``, into which the gating
    network's gradient runs unless ``detached``; ``penalty`` times the sum of the network's squared
    parameters is added to the loss; it learns for ``learns_for`` epochs, none: to the end."""

    layer: str
    detached: bool
    penalty: float
    learns_for: int | None

    def frozen_in(self, epoch: int) -> bool:
        """Whether the gating network no longer learns in ``epoch``, the first of which is 0."""
        return self.learns_for is not None and epoch >= self.learns_for


def gate_scores(
    features_BF: Float[Tensor, "batch features"],
    latents_KF: Float[Tensor, "teachers features"],
    readout_F: Float[Tensor, " features"],
) -> Float[Tensor, "batch teachers"]:
    """gamma_k = v . (theta_k * x): a score of each teacher for each sample.

    ``latents`` are the paper's theta, one vector for each teacher, ``readout`` its v.
    """
    return features_BF @ (latents_KF * readout_F).T


def gate_weights(
    scores_BK: Float[Tensor, "batch teachers"], present_KB: Bool[Tensor, "teachers batch"]
) -> Float[Tensor, "teachers batch"]:
    """Softmax of the scores over the teachers present; zero for those absent."""
    answered_B = present_KB.any(dim=0)
    scores_KB = at_least_single(scores_BK).T.masked_fill(~present_KB, -torch.inf)
    # A column of nothing but -inf would be NaN, on the way back too.
    weights_KB = torch.softmax(torch.where(answered_B, scores_KB, 0.0), dim=0)
    return torch.where(present_KB, weights_KB, 0.0)


def max_pooled(features: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
    """One vector per sample: maps [B, C, H, W] and sequences [B, L, D] by their largest value over
    the positions, vectors [B, D] as they are."""
    if features.ndim == 2:
        return features
    return features.amax(dim=(2, 3) if features.ndim == 4 else 1)


class Gate(LazyModule):
    """A latent vector for each teacher and one readout, trained with the student.

    They are parameters of the learner like any other: the optimizer's weight decay and the
    clipping of gradients act on them too. They are not part of the deployed student.
    """

    def __init__(self, teachers: int, width: int, *, layer: str, detached: bool) -> None:
        """``layer`` is the student's, which gives ``width`` features."""
        super().__init__()
        self.layer = layer
        self._detached = detached
        self.latents = nn.Parameter(torch.zeros(teachers, width))
        self.readout = nn.Parameter(torch.ones(width))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Of the layer's output [B, ...]: scores [B, K], and the sum of all parameters' squares.

        Both are computed here, since under ZeRO-3 parameters are whole only meanwhile.
        """
        seen = at_least_single(max_pooled(features.detach() if self._detached else features))
        squares = self.latents.square().sum() + self.readout.square().sum()
        with torch.autocast(features.device.type, enabled=False):
            return gate_scores(seen, self.latents, self.readout), squares


def with_gate_weights(
    gating: Gating | None, outputs: Mapping[str, Tensor], knowledge: Knowledge, epoch: int
) -> Knowledge:
    """The knowledge with the gating network's weights in ``epoch``; unchanged where there is no
    network, or no teacher, or the weights are filled in already.

    From epoch ``learns_for`` on they carry no gradient.
    """
    if gating is None or knowledge.weights is not None or len(knowledge.logits) == 0:
        return knowledge
    scores = outputs[GATE].detach() if gating.frozen_in(epoch) else outputs[GATE]
    return replace(knowledge, weights=gate_weights(scores, knowledge.present))


def gate_penalty(gating: Gating | None, outputs: Mapping[str, Tensor], epoch: int) -> Tensor | None:
    """The penalty that is added to the loss in ``epoch``; none where no gating network learns."""
    if gating is None or gating.frozen_in(epoch):
        return None
    return gating.penalty * outputs[PENALTY]

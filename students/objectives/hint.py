"""The hint term: a student's layer, through its adapter, against a teacher's layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge
from students.objectives.compared_features import LayerSides
from students.objectives.loss_precision import at_least_single


def hint_loss(
    adapted: Float[Tensor, " batch *features"],
    hint: Float[Tensor, " batch *features"],
    present: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error over all elements of the samples present; >= 0, 0 when equal.

    FitNets print half the squared distance, summed over a sample's elements, which grows with
    the layer's size; published code takes the mean of squares, whose weight means the same for
    every layer, and so do we. For F elements per sample the printed form is F/2 times this one
    (golden case ``fitnet_hint``: 18.035775 printed, 2.254471875 here, F = 16).
    Where nobody is present the loss is exactly 0, with zero gradient.
    Source: Romero et al. (2015), equation 3; form as in RepDistiller (Tian et al., 2020).
    """
    distance = (at_least_single(adapted) - at_least_single(hint)).flatten(1)
    if present is None:
        return distance.square().mean()
    # Zeroed before squaring: an absent teacher's tap may hold NaN, and 0 x NaN is no gradient.
    squares = torch.where(present.unsqueeze(1), distance, 0.0).square().mean(dim=1)
    return squares.sum() / present.sum().clamp(min=1)


@dataclass(frozen=True)
class HintTerm:
    """Asks a teacher for its tap; ``name`` is the term's."""

    name: str
    sides: LayerSides

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """``hint_loss`` of the adapted guided layer."""
        adapted, hint = of_one_shape(f"objective.{self.name}", self.sides, outputs, knowledge)
        return hint_loss(adapted, hint, knowledge.present[self.sides.position])


def of_one_shape(
    place: str, sides: LayerSides, outputs: Mapping[str, Tensor], knowledge: Knowledge
) -> tuple[Tensor, Tensor]:
    """The adapted layer and the hint [B, ...], also of samples that the teacher did not answer.

    Raises:
        ObjectiveError: their shapes differ.
    """
    adapted, hint = outputs[sides.output], sides.of_teacher(knowledge)
    if adapted.shape != hint.shape:
        raise ObjectiveError(
            f"`{place}` compares an adapted layer of shape {tuple(adapted.shape)} with the hint "
            f"{sides.tap.name!r} of {sides.teacher!r}, of shape {tuple(hint.shape)}; build the "
            "adapter for the hint's shape.",
            path=place,
        )
    return adapted, hint

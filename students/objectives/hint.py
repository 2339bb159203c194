"""The hint term: a student's layer, through its adapter, against a teacher's layer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from students.errors import ObjectiveError
from students.lazy_imports import Bool, Float, Tensor, torch
from students.objectives.layer_refs import Guided, HintLayer, LayerPair
from students.objectives.loss_precision import at_least_single
from students.objectives.term import Layer, Term, TermInputs


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
    Where no sample is present the loss is exactly 0, with zero gradient.
    Source: Romero et al. (2015), equation 3; form as in RepDistiller (Tian et al., 2020).
    """
    distance = (at_least_single(adapted) - at_least_single(hint)).flatten(1)
    if present is None:
        return distance.square().mean()
    # Zeroed before squaring: an absent teacher's tap may hold NaN, and 0 x NaN is no gradient.
    squares = torch.where(present.unsqueeze(1), distance, 0.0).square().mean(dim=1)
    return squares.sum() / present.sum().clamp(min=1)


class Hint(Term):
    """A student's layer, through an adapter, against a teacher's layer (FitNets)."""

    kind: Literal["hint"] = "hint"
    teacher: str = Field(min_length=1)
    hint: Layer = Field(description="the teacher's layer, named as the module is")
    guided: Layer = Field(description="the student's layer")
    reduction: Literal["none", "pool"] = Field(
        "none", description="pool: the teacher's layer averaged over its positions"
    )

    def hint_layers(self) -> tuple[tuple[str, HintLayer], ...]:
        """The one layer."""
        return (("hint", HintLayer(self.teacher, self.hint, self.reduction)),)

    def guided_layers(self, name: str) -> dict[str, Guided]:
        """The one layer, adapted."""
        return {name: Guided(self.guided, self.hint_layers()[0][1])}

    def loss(self, inputs: TermInputs) -> Tensor:
        """``hint_loss`` of the adapted guided layer."""
        (pair,) = inputs.layers
        adapted, hint = of_one_shape(f"objective.{inputs.name}", pair, inputs)
        return hint_loss(adapted, hint, pair.present(inputs.knowledge))


def of_one_shape(place: str, pair: LayerPair, inputs: TermInputs) -> tuple[Tensor, Tensor]:
    """The adapted layer and the hint [B, ...], also of samples that the teacher did not answer.

    Raises:
        ObjectiveError: their shapes differ.
    """
    adapted, hint = inputs.outputs[pair.output], pair.of_teacher(inputs.knowledge)
    if adapted.shape != hint.shape:
        raise ObjectiveError(
            f"`{place}` compares an adapted layer of shape {tuple(adapted.shape)} with the hint "
            f"{pair.hint.tap.name!r} of {pair.hint.teacher!r}, of shape {tuple(hint.shape)}; build "
            "the adapter for the hint's shape.",
            path=place,
        )
    return adapted, hint

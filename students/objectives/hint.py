"""The hint terms: a student's layers, through adapters, against teachers' layers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from cluster.section import Section
from students.errors import ObjectiveError
from students.lazy_imports import Bool, Float, Tensor, torch
from students.objectives.geometry import directions
from students.objectives.softening import at_least_single
from students.objectives.term import Guided, HintLayer, Layer, LayerPair, Term, TermInputs


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


def group_hint_loss(
    adapted: Float[Tensor, " batch *features"],
    hint: Float[Tensor, " batch *features"],
    present: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error between the channels' directions, over all elements of those present.

    Channels are the first axis after the samples of (C, H, W) and (D), the last of (L, D). Each
    position's vector of channels is divided by its length on both sides, so the loss lies in
    [0, 4/C] and is 0 where the layers point the same way everywhere, whatever their sizes. A
    vector of zeros stays zero and gets no gradient. An absent teacher's hint may hold anything.
    Source: AMTML-KD (Liu, Zhang & Wang, 2020). Its released code divides the student's layer
    *before* a 1x1 convolution without bias that no optimizer is given, and has equal
    sizes alone; here the adapter is trained, its output is divided (as the text has it), and
    maps of other sizes are brought to the hint's.
    """
    dim = -1 if adapted.ndim == 3 else 1
    ours, theirs = (directions(at_least_single(each), dim=dim) for each in (adapted, hint))
    return hint_loss(ours, theirs, present)


class HintGroup(Section):
    """A layer of a teacher, and the student's layer that it teaches."""

    teacher: str = Field(min_length=1)
    hint: Layer
    guided: Layer


class MultiGroupHint(Term):
    """Several levels, each taught by its own teacher: adapted layers against teachers'
    layers, both of length 1 over their channels (AMTML-KD; Liu et al., 2020)."""

    kind: Literal["multi_group_hint"] = "multi_group_hint"
    groups: tuple[HintGroup, ...] = Field(min_length=1)

    def hint_layers(self) -> tuple[tuple[str, HintLayer], ...]:
        """One layer for each group."""
        return tuple(
            (f"groups.{number}.hint", HintLayer(group.teacher, group.hint, "none"))
            for number, group in enumerate(self.groups)
        )

    def guided_layers(self, name: str) -> dict[str, Guided]:
        """One layer for each group, adapted."""
        hints = (hint for _, hint in self.hint_layers())
        return {
            f"{name}#{number}": Guided(group.guided, hint, f"groups.{number}.guided")
            for number, (group, hint) in enumerate(zip(self.groups, hints, strict=True))
        }

    def restricted_to(self, teacher: str) -> Self | None:
        """With the groups of this teacher, if it has any."""
        own = tuple(group for group in self.groups if group.teacher == teacher)
        return self.model_copy(update={"groups": own}) if own else None

    def loss(self, inputs: TermInputs) -> Tensor:
        """The sum of ``group_hint_loss`` over the groups."""
        losses = []
        for number, pair in enumerate(inputs.layers):
            place = f"objective.{inputs.name}.groups.{number}"
            adapted, hint = of_one_shape(place, pair, inputs)
            losses.append(group_hint_loss(adapted, hint, pair.present(inputs.knowledge)))
        return torch.stack(losses).sum()

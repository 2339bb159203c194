"""The multi-group hint: several levels of the student, each taught by its own teacher."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from cluster.section import Section
from students.lazy_imports import Bool, Float, Tensor, torch
from students.objectives.geometry import directions
from students.objectives.hint import hint_loss, of_one_shape
from students.objectives.layer_refs import Guided, HintLayer
from students.objectives.loss_precision import at_least_single
from students.objectives.term import Layer, Term, TermInputs


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
    *before* a 1x1 convolution without bias that no optimizer is given, and knows equal
    sizes alone; here the adapter learns, its outcome is divided (as the text has it), and
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

"""The multi-group hint: several levels of the student, each taught by a teacher of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from students.knowledge import Batch, Knowledge
from students.objectives.compared_features import LayerSides
from students.objectives.geometry import directions
from students.objectives.hint import hint_loss, of_one_shape
from students.objectives.loss_precision import at_least_single


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


@dataclass(frozen=True)
class MultiGroupHintTerm:
    """Asks each group's teacher for its tap; ``name`` is the term's."""

    name: str
    groups: tuple[LayerSides, ...]

    def __call__(self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge) -> Tensor:
        """The sum of ``group_hint_loss`` over the groups."""
        losses = []
        for number, group in enumerate(self.groups):
            place = f"objective.{self.name}.groups.{number}"
            adapted, hint = of_one_shape(place, group, outputs, knowledge)
            losses.append(group_hint_loss(adapted, hint, knowledge.present[group.position]))
        return torch.stack(losses).sum()

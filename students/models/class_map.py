"""Maps a network's outputs to the transfer set's classes.

B batch, C classes, N outputs of the network. A class map names N of the C classes, in the order
of the outputs: a specialist has some of them, and a network with another order has all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

UNKNOWN = -6e4
"""The logit of a class that a network does not cover: within float16, and so low that at the
highest temperature of a recipe (1000) the class has a probability below 1e-26."""


class Spread(nn.Module):
    """Comes after a network whose N outputs are ``classes`` of ``total`` classes.

    ``places`` [C] is the index of each class among the outputs, N for one that is not there.
    """

    places: Tensor

    def __init__(self, classes: Sequence[int], total: int) -> None:
        super().__init__()
        places = [len(classes)] * total
        for place, name in enumerate(classes):
            places[name] = place
        # Not persistent: it is a setting of the recipe, not part of the trained weights.
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """[B, N] to [B, C]: each at the index of its class, ``UNKNOWN`` elsewhere.

        A softmax over C is that of ``logits`` over N, with zeros for what is not known.
        """
        return pad(logits, (0, 1), value=UNKNOWN).index_select(1, self.places)


def spread_of(classes: Sequence[int] | None, total: int) -> Spread | None:
    """Maps the outputs to the transfer set's classes; none if they are those classes in order."""
    if classes is None or tuple(classes) == tuple(range(total)):
        return None
    return Spread(classes, total)

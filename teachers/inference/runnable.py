"""A network made ready to answer in one manner, beside the one that it was made from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from students.models.network import Network
from teachers.inference.batchnorm_folding import fold
from teachers.inference.compilation import compiled
from teachers.inference.inference_config import InferenceConfig


@dataclass(frozen=True)
class Prepared:
    """``run`` gives logits; ``network`` gives the outputs of layers, in the same precision.

    They are one and the same wherever the layers that are tapped are still there to be read.
    """

    run: Callable[[Tensor], Tensor]
    network: Network

    @property
    def together(self) -> bool:
        """Whether one pass gives both."""
        return self.run is self.network


def prepared(
    network: Network, inference: InferenceConfig, *, tapped: Iterable[str], cache: Path | None
) -> Prepared:
    """``network``, which stays as it is, made ready for ``manner``.

    How the logits are computed does not depend on ``tapped``, the layers whose outputs are
    asked: their bits are the same for every student.
    """
    if not (inference.channels_last or inference.folded or inference.compiled):
        return Prepared(network, network)
    own = copy.deepcopy(network)
    changed = fold(own.model) if inference.folded else ()
    readable = own
    if set(changed) & set(tapped):
        readable = copy.deepcopy(network)
    if inference.channels_last:
        for each in {id(own): own, id(readable): readable}.values():
            each.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = compiled(own, cache) if inference.compiled else own
    return Prepared(run, readable)

"""Convolutions in a row, without shortcuts.

The plain networks of Mirzadeh et al. (2020, "Improved Knowledge Distillation via Teacher
Assistant", appendix): convolution 3x3, batch normalisation, ReLU; a max-pooling after
each second one; one linear layer on all that is left.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

from torch import Tensor, nn

from students.models.config import PlainCnn

Shape = tuple[int, int, int]


def _stage(inputs: int, channels: tuple[int, ...], *, pool: bool) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (before, after) in enumerate(itertools.pairwise((inputs, *channels)), start=1):
        # No bias: the normalisation that follows would subtract it again.
        layers[f"conv{index}"] = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers[f"norm{index}"] = nn.BatchNorm2d(after)
        layers[f"relu{index}"] = nn.ReLU()
    if pool:
        layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


class PlainCnnNetwork(nn.Module):
    """Layers ``stage1``, ``stage2``, ... of two convolutions each, and ``output``.

    A stage ends with its pooling, if it has two convolutions and there are two pixels to
    pool in both directions; so any depth works on any size.
    """

    def __init__(self, channels: tuple[int, ...], input_shape: Shape, classes: int) -> None:
        super().__init__()
        before, height, width = input_shape
        names = []
        for start in range(0, len(channels), 2):
            pair = channels[start : start + 2]
            pool = len(pair) == 2 and min(height, width) >= 2
            names.append(f"stage{start // 2 + 1}")
            self.add_module(names[-1], _stage(before, pair, pool=pool))
            before = pair[-1]
            if pool:
                height, width = height // 2, width // 2
        self._stages = tuple(names)
        self.output = nn.Linear(before * height * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = pictures
        for name in self._stages:
            features = self.get_submodule(name)(features)
        logits: Tensor = self.output(features.flatten(1))
        return logits


def build(config: PlainCnn, input_shape: Shape, classes: int) -> nn.Module:
    """The network for pictures of ``input_shape`` (channels, height, width)."""
    return PlainCnnNetwork(config.widths, input_shape, classes)

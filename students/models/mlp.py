"""Fully connected layers over all pixels."""

from __future__ import annotations

import math

from torch import Tensor, nn

from students.models.config import Mlp

Shape = tuple[int, int, int]


class Hidden(nn.Module):
    """One hidden layer: linear, ReLU, dropout. Its output is what the next layer sees."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """[B, inputs] to [B, outputs]."""
        activation: Tensor = self.dropout(self.activation(self.linear(inputs)))
        return activation


class MlpNetwork(nn.Module):
    """Layers ``hidden.0``, ``hidden.1``, ... and ``output``."""

    def __init__(self, widths: tuple[int, ...], pixels: int, classes: int, dropout: float) -> None:
        super().__init__()
        sizes = (pixels, *widths)
        self.hidden = nn.ModuleList(
            Hidden(inputs, outputs, dropout) for inputs, outputs in zip(sizes, widths, strict=False)
        )
        self.output = nn.Linear(sizes[-1], classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = pictures.flatten(1)
        for layer in self.hidden:
            features = layer(features)
        logits: Tensor = self.output(features)
        return logits


def build(config: Mlp, input_shape: Shape, classes: int) -> nn.Module:
    """The network for pictures of ``input_shape`` (channels, height, width)."""
    return MlpNetwork(config.widths, math.prod(input_shape), classes, config.dropout)

"""Layers in a row, without shortcuts: fully connected ones, or convolutions.

The plain convolutional networks of Mirzadeh et al. (2020, "Improved Knowledge Distillation via
Teacher Assistant", appendix): convolution 3x3, batch normalisation, ReLU; a max-pooling after
each second one; one linear layer on all that is left.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import LazyModule, Tensor, nn
from students.models.config import Model, Rate, Shape, Width


class Mlp(Model):
    """Fully connected: ``hidden`` widths, or ``depth`` layers of one ``width``."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] | None = None
    depth: Annotated[int, Field(ge=1, le=64)] | None = None
    width: Width | None = None
    dropout: Rate = 0.0

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if {self.depth is None, self.width is None} != {self.hidden is not None}:
            raise ValueError("must give either hidden, or both depth and width")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the hidden layers, however they were written."""
        if self.hidden is not None:
            return self.hidden
        assert self.depth is not None and self.width is not None
        return (self.width,) * self.depth

    @property
    def identity(self) -> dict[str, Any]:
        """With the widths of all layers, whichever way they are written."""
        kept = self.model_dump(mode="json", include={"kind", "dropout", "preprocessing"})
        return {**kept, "widths": list(self.widths)}

    @property
    def feature_layer(self) -> str | None:
        """The last hidden layer."""
        return f"hidden.{len(self.widths) - 1}" if self.widths else None

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width)."""
        return MlpNetwork(self.widths, math.prod(shape), classes, self.dropout)


class Hidden(LazyModule):
    """One hidden layer: linear, ReLU, dropout. Its output is the next layer's input."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """[B, inputs] to [B, outputs]."""
        activation: Tensor = self.dropout(self.activation(self.linear(inputs)))
        return activation


class MlpNetwork(LazyModule):
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


class PlainCnn(Model):
    """Convolutions of 3x3 in a row, as in the teacher-assistant paper (Mirzadeh et al., 2020).

    ``depth`` convolutions; ``width`` channels in the first two, doubled after every second
    one together with a max-pooling; or ``channels`` for each.
    """

    kind: Literal["plain_cnn"] = "plain_cnn"
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] | None = None
    depth: Annotated[int, Field(ge=1, le=32)] | None = None
    width: Width | None = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if {self.depth is None, self.width is None} != {self.channels is not None}:
            raise ValueError("must give either channels, or both depth and width")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each convolution, however they were written."""
        if self.channels is not None:
            return self.channels
        assert self.depth is not None and self.width is not None
        return tuple(self.width * 2 ** (index // 2) for index in range(self.depth))

    @property
    def identity(self) -> dict[str, Any]:
        """With the channels of all convolutions, whichever way they are written."""
        kept = self.model_dump(mode="json", include={"kind", "preprocessing"})
        return {**kept, "channels": list(self.widths)}

    @property
    def feature_layer(self) -> str | None:
        """The last stage."""
        return f"stage{(len(self.widths) + 1) // 2}"

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width)."""
        return PlainCnnNetwork(self.widths, shape, classes)


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


class PlainCnnNetwork(LazyModule):
    """Layers ``stage1``, ``stage2``, ... of two convolutions each, and ``output``.

    A stage ends with its pooling, if it has two convolutions and there are two pixels to
    pool in both directions; so any depth works on any size.
    """

    def __init__(self, channels: tuple[int, ...], input_shape: Shape, classes: int) -> None:
        super().__init__()
        before, height, width = input_shape
        for start in range(0, len(channels), 2):
            pair = channels[start : start + 2]
            pool = len(pair) == 2 and min(height, width) >= 2
            self.add_module(f"stage{start // 2 + 1}", _stage(before, pair, pool=pool))
            before = pair[-1]
            if pool:
                height, width = height // 2, width // 2
        self.output = nn.Linear(before * height * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        *stages, output = self.children()
        features = pictures
        for stage in stages:
            features = stage(features)
        logits: Tensor = output(features.flatten(1))
        return logits

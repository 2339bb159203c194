"""Convolutions in a row, without shortcuts.

The plain networks of Mirzadeh et al. (2020, "Improved Knowledge Distillation via Teacher
Assistant", appendix): convolution 3x3, batch normalisation, ReLU; a max-pooling after
each second one; one linear layer on all that is left.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import LazyModule, Tensor, nn
from students.models.config import Model, Shape, Width


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
        by_shape = self.depth is not None and self.width is not None
        partly = self.depth is not None or self.width is not None
        if (self.channels is None) == (not by_shape) or (self.channels is not None and partly):
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

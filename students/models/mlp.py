"""Fully connected layers over all pixels."""

from __future__ import annotations

import math
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
        by_shape = self.depth is not None and self.width is not None
        partly = self.depth is not None or self.width is not None
        if (self.hidden is None) == (not by_shape) or (self.hidden is not None and partly):
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

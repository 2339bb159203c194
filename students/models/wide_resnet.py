"""Residual networks that are wide rather than deep.

Zagoruyko & Komodakis (2016, "Wide Residual Networks", table 1): depth 6n+4, three stages
of n blocks with 16k, 32k and 64k channels, normalisation and ReLU before each
convolution, dropout between the two convolutions of a block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import LazyModule, Tensor, nn, torch
from students.models.config import Model, Rate, Shape


class WideResNet(Model):
    """Wide ResNets (Zagoruyko & Komodakis, 2016): depth 6n+4, ``widen`` times 16 channels."""

    kind: Literal["wide_resnet"] = "wide_resnet"
    depth: Annotated[int, Field(ge=10, le=202)] = 16
    widen: Annotated[int, Field(ge=1, le=32)] = 2
    dropout: Rate = 0.0

    @model_validator(mode="after")
    def _six_n_plus_four(self) -> Self:
        if (self.depth - 4) % 6:
            raise ValueError(f"depth {self.depth} must be 6n+4: 10, 16, 22, 28, 40")
        return self

    feature_layer: ClassVar[str] = "bn1"

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width)."""
        blocks = (self.depth - 4) // 6
        return WideResNetNetwork(blocks, self.widen, self.dropout, shape[0], classes)


class Block(LazyModule):
    """Two pre-activated convolutions and the shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        self._projects = inputs != outputs or stride != 1
        if self._projects:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H', W']."""
        active = torch.relu(self.bn1(features))
        inner = self.dropout(torch.relu(self.bn2(self.conv1(active))))
        # A projection sees the activated features, an identity the plain ones (the authors' code).
        context = self.shortcut(active if self._projects else features)
        summed: Tensor = self.conv2(inner) + context
        return summed


class WideResNetNetwork(LazyModule):
    """Layers ``layer1``, ``layer2``, ``layer3`` and ``linear``."""

    def __init__(
        self, blocks: int, widen: int, dropout: float, channels: int, classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.layer1 = _layer(16, 16 * widen, blocks, 1, dropout)
        self.layer2 = _layer(16 * widen, 32 * widen, blocks, 2, dropout)
        self.layer3 = _layer(32 * widen, 64 * widen, blocks, 2, dropout)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.linear = nn.Linear(64 * widen, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = self.layer3(self.layer2(self.layer1(self.conv1(pictures))))
        logits: Tensor = self.linear(torch.relu(self.bn1(features)).mean((2, 3)))
        return logits


def _layer(inputs: int, outputs: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
    first = Block(inputs, outputs, stride, dropout)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, dropout) for _ in range(blocks - 1)))

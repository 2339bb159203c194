"""Residual networks for small pictures.

He et al. (2016, "Deep Residual Learning for Image Recognition", section 4.2): three stages
of n blocks with w, 2w and 4w channels, the second and third at half the size. Modules
are named as in the usual PyTorch version, so that its weights load strictly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import LazyModule, Tensor, functional, nn, torch
from students.models.config import Model, Shape, Width


class ResNetCifar(Model):
    """The CIFAR ResNets of He et al. (2016, section 4.2): depth 6n+2, three stages."""

    kind: Literal["resnet_cifar"] = "resnet_cifar"
    depth: Annotated[int, Field(ge=8, le=1202)] = 20
    width: Width = 16
    shortcut: Literal["A", "B"] = "A"

    @model_validator(mode="after")
    def _six_n_plus_two(self) -> Self:
        if (self.depth - 2) % 6:
            raise ValueError(f"depth {self.depth} must be 6n+2: 8, 14, 20, 26, 32, 44, 56, 110")
        return self

    feature_layer: ClassVar[str] = "layer3"

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width)."""
        blocks = (self.depth - 2) // 6
        return ResNetCifarNetwork(blocks, self.width, self.shortcut, shape[0], classes)


class PaddedShortcut(LazyModule):
    """Option A: every second pixel, zeros for the channels that are new; no parameters.

    The zeros stand in halves before and after the old channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        before = (outputs - inputs) // 2
        self._padding = (0, 0, 0, 0, before, outputs - inputs - before)
        self._stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        # The mean over one pixel is that pixel. On the way back a slice would lay its gradient
        # out with channels first, and all that meets it would be rearranged.
        chosen = functional.avg_pool2d(features, 1, self._stride)
        return functional.pad(chosen, self._padding)


def _shortcut(inputs: int, outputs: int, stride: int, option: Literal["A", "B"]) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    if option == "A":
        return PaddedShortcut(inputs, outputs, stride)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )


class Block(LazyModule):
    """Two convolutions and the shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, option: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride, option)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H', W'], not negative."""
        inner = torch.relu(self.bn1(self.conv1(features)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.shortcut(features))


class ResNetCifarNetwork(LazyModule):
    """Layers ``layer1``, ``layer2``, ``layer3`` and ``linear``."""

    def __init__(
        self, blocks: int, width: int, option: Literal["A", "B"], channels: int, classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _layer(width, width, blocks, 1, option)
        self.layer2 = _layer(width, 2 * width, blocks, 2, option)
        self.layer3 = _layer(2 * width, 4 * width, blocks, 2, option)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = torch.relu(self.bn1(self.conv1(pictures)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


def _layer(
    inputs: int, outputs: int, blocks: int, stride: int, option: Literal["A", "B"]
) -> nn.Sequential:
    first = Block(inputs, outputs, stride, option)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, option) for _ in range(blocks - 1)))

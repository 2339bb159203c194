"""Residual networks: deep ones for small pictures, and wide ones.

He et al. (2016, "Deep Residual Learning for Image Recognition", section 4.2): depth 6n+2, three
stages of n blocks with w, 2w and 4w channels, the second and third at half the size. Modules
are named as in the usual PyTorch version, so that its weights load strictly.

Zagoruyko & Komodakis (2016, "Wide Residual Networks", table 1): depth 6n+4, three stages
of n blocks with 16k, 32k and 64k channels, normalisation and ReLU before each
convolution, dropout between the two convolutions of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from students.lazy_imports import LazyModule, Tensor, functional, nn, torch
from students.models.config import Model, Rate, Shape, Width


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


def _stage(
    block: Callable[[int, int, int], nn.Module], blocks: int, inputs: int, outputs: int, stride: int
) -> nn.Sequential:
    rest = (block(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(block(inputs, outputs, stride), *rest)


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
        stage = partial(_stage, partial(Block, option=option), blocks)
        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = torch.relu(self.bn1(self.conv1(pictures)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


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


class WideBlock(LazyModule):
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
        stage = partial(_stage, partial(WideBlock, dropout=dropout), blocks)
        self.layer1 = stage(16, 16 * widen, 1)
        self.layer2 = stage(16 * widen, 32 * widen, 2)
        self.layer3 = stage(32 * widen, 64 * widen, 2)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.linear = nn.Linear(64 * widen, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = self.layer3(self.layer2(self.layer1(self.conv1(pictures))))
        logits: Tensor = self.linear(torch.relu(self.bn1(features)).mean((2, 3)))
        return logits

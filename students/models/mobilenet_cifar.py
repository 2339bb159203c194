"""Depthwise separable convolutions for small pictures.

Howard et al. (2017, "MobileNets", section 3): a convolution per channel, then one of 1x1
over the channels, costs 1/N + 1/k^2 of the full one with N outputs and a k x k kernel.
The table of layers is the paper's; the first convolution keeps the size, because
pictures of 32x32 have none to give away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from students.lazy_imports import LazyModule, Tensor, nn, torch
from students.models.config import Model, Shape


class MobileNetCifar(Model):
    """Depthwise separable convolutions (Howard et al., 2017) at CIFAR's size."""

    kind: Literal["mobilenet_cifar"] = "mobilenet_cifar"
    width: Annotated[float, Field(gt=0, le=8, description="multiplier of all channels")] = 1.0

    feature_layer: ClassVar[str] = "layers.12"

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """The network for pictures of ``shape`` (channels, height, width)."""
        return MobileNetCifarNetwork(self.width, shape[0], classes)


_STEM = 32
_LAYERS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
"""Channels at width 1, and stride, of each separable convolution."""


class Separable(LazyModule):
    """A 3x3 convolution per channel, then a 1x1 over the channels; each normalised, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False
        )
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H', W'], not negative."""
        inner = torch.relu(self.bn1(self.conv1(features)))
        return torch.relu(self.bn2(self.conv2(inner)))


class MobileNetCifarNetwork(LazyModule):
    """Layers ``layers.0`` to ``layers.12`` and ``linear``."""

    def __init__(self, width: float, channels: int, classes: int) -> None:
        super().__init__()
        before = _scaled(_STEM, width)
        self.conv1 = nn.Conv2d(channels, before, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.layers = nn.Sequential()
        for at_width_one, stride in _LAYERS:
            after = _scaled(at_width_one, width)
            self.layers.append(Separable(before, after, stride))
            before = after
        self.linear = nn.Linear(before, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] to logits [B, classes]."""
        features = self.layers(torch.relu(self.bn1(self.conv1(pictures))))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))

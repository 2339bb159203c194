"""Where a network's last features are, by the name of the layer that gives them."""

from __future__ import annotations

from typing import assert_never

from students.models.config import (
    CustomModel,
    Mlp,
    MobileNetCifar,
    ModelConfig,
    PlainCnn,
    ResNetCifar,
    TorchvisionModel,
    WideResNet,
)


def feature_layer(config: ModelConfig) -> str | None:
    """The last layer before the outputs; none where nobody but the user knows its name, or where
    there is no layer but the outputs."""
    match config:
        case Mlp():
            return f"hidden.{len(config.widths) - 1}" if config.widths else None
        case PlainCnn():
            return f"stage{(len(config.widths) + 1) // 2}"
        case ResNetCifar():
            return "layer3"
        case WideResNet():
            return "bn1"
        case MobileNetCifar():
            return "layers.12"
        case TorchvisionModel() | CustomModel():
            return None
    assert_never(config)

"""The last layer before the outputs, of each kind of network whose layers we name."""

from pathlib import Path

import pytest
import torch

from students.models.build import build_model
from students.models.config import Model
from students.models.custom import CustomModel
from students.models.in_a_row import Mlp, PlainCnn
from students.models.mobilenet_cifar import MobileNetCifar
from students.models.residual import ResNetCifar, WideResNet
from students.models.taps import find_layer, recording
from students.models.torchvision_models import TorchvisionModel

NETWORKS = [
    Mlp(hidden=(8, 6)),
    Mlp(depth=3, width=5),
    PlainCnn(channels=(3,)),
    PlainCnn(channels=(3, 4)),
    PlainCnn(channels=(3, 4, 5)),
    ResNetCifar(depth=8),
    WideResNet(depth=10, widen=1),
    MobileNetCifar(width=0.25),
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.kind)
def test_only_the_output_layer_comes_after_it(config: Model) -> None:
    model = build_model(config, input_shape=(3, 8, 8), classes=4, seed=0, folder=Path())
    layer = config.feature_layer
    assert layer is not None
    with recording({layer: find_layer(model, layer)}) as recorded:
        logits = model(torch.rand(2, 3, 8, 8))
        features = recorded[layer]
    assert features.ndim in (2, 4)
    # Only a linear layer is not reached by what goes back from the features.
    features.square().sum().backward()
    later = [name for name, p in model.named_parameters() if p.grad is None]
    assert len(later) == 2
    assert {name.rpartition(".")[0] for name in later} <= {"output", "linear"}
    assert logits.shape == (2, 4)


@pytest.mark.parametrize(
    "config",
    [Mlp(hidden=()), TorchvisionModel(name="resnet18"), CustomModel(source="net.py:net")],
    ids=["no_hidden_layer", "torchvision", "custom"],
)
def test_of_others_it_is_not_known(config: Model) -> None:
    assert config.feature_layer is None

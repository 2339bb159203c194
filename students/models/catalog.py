"""The closed table of models: from a kind to the class that holds its settings and builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.section import one_of
from students.models.config import Model

MODELS = {
    "mlp": "students.models.in_a_row:Mlp",
    "plain_cnn": "students.models.in_a_row:PlainCnn",
    "resnet_cifar": "students.models.residual:ResNetCifar",
    "wide_resnet": "students.models.residual:WideResNet",
    "mobilenet_cifar": "students.models.mobilenet_cifar:MobileNetCifar",
    "torchvision": "students.models.torchvision_models:TorchvisionModel",
    "custom": "students.models.custom:CustomModel",
}

if TYPE_CHECKING:
    ModelConfig = Model
else:
    ModelConfig = one_of(MODELS)

"""What a network costs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from students.models.build import build_model, skeleton
from students.models.config import Model, Preprocessing
from students.models.in_a_row import Mlp
from students.models.mobilenet_cifar import Separable
from students.models.network import Network, Preprocess
from students.models.profile import Costs, costs, measure_latency
from students.models.residual import ResNetCifar
from students.models.torchvision_models import TorchvisionModel
from tests.golden.cases import golden


class Floats(nn.Module):
    """Makes random-free float features of any number of channels out of uint8 pictures."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures.float())


def empty(config: Model, shape: tuple[int, int, int]) -> Network:
    own = Preprocess(config.preprocessing, mean=(0.5,) * 3, std=(0.5,) * 3)
    model = skeleton(config, input_shape=shape, classes=10, folder=Path())
    return Network(own, model).to("meta")


def test_a_separable_convolution_costs_the_share_its_paper_says() -> None:
    case = golden("depthwise_separable_cost")
    inputs, outputs = case.inputs["in_channels"], case.inputs["out_channels"]
    kernel, fmap = case.inputs["kernel"], case.inputs["fmap"]
    plain = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    shape = (inputs, fmap, fmap)
    standard = costs(Floats(plain), shape).macs
    separable = costs(Floats(Separable(inputs, outputs, 1)), shape).macs
    assert standard == case.expected["standard_macs"]
    assert separable == case.expected["separable_macs"]
    assert separable / standard == pytest.approx(case.expected["ratio"], abs=case.tol)


def test_an_mlp_costs_one_product_per_weight() -> None:
    weights, biases = 64 * 16 + 16 * 10, 16 + 10
    config = Mlp(hidden=(16,))
    own = Preprocess(Preprocessing(), mean=(0.5,), std=(0.5,))
    model = build_model(config, input_shape=(1, 8, 8), classes=10, seed=0, folder=Path())
    expected = Costs(weights + biases, weights, 4 * (weights + biases))
    assert costs(Network(own, model), (1, 8, 8)) == expected


def test_a_resnet_20_costs_what_is_published() -> None:
    found = costs(empty(ResNetCifar(depth=20), (3, 32, 32)), (3, 32, 32))
    assert found.parameters == 269_722
    assert found.macs == 40_551_040  # "40.8 M", with the normalisation, in most tables
    buffers = 2 * 4 * (16 * 7 + 32 * 6 + 64 * 6) + 8 * 19
    assert found.bytes == 4 * 269_722 + buffers


def test_attention_is_counted_on_every_device() -> None:
    config = TorchvisionModel(
        name="vit_b_32", options={"image_size": 32, "dropout": 0.5, "attention_dropout": 0.5}
    )
    model = build_model(config, input_shape=(3, 32, 32), classes=10, seed=0, folder=Path())
    own = Preprocess(config.preprocessing, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert costs(Network(own, model), (3, 32, 32)) == costs(empty(config, (3, 32, 32)), (3, 32, 32))
    # Two tokens of width 768, twelve layers: products with weights, and among the tokens.
    per_layer = 2 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * (2 * 2 * 768)
    assert costs(empty(config, (3, 32, 32)), (3, 32, 32)).macs == (
        12 * per_layer + 3 * 32 * 32 * 768 + 768 * 10
    )


class Slow(nn.Module):
    """Takes ten milliseconds a batch and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.seen: list[tuple[int, bool]] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen.append((len(pictures), self.training))
        time.sleep(0.01)
        return pictures


def test_latency_is_per_sample_in_milliseconds_and_leaves_the_mode() -> None:
    network = Slow()
    found = measure_latency(network, (1, 8, 8), seconds=0.1).milliseconds
    assert found.keys() == {"1", "64"}
    assert 10.0 <= found["1"] < 30.0
    assert found["64"] == pytest.approx(found["1"] / 64, rel=0.5)
    assert {batch for batch, _ in network.seen} == {1, 64}
    assert not any(training for _, training in network.seen)
    assert network.training


def test_latency_of_a_slow_network_is_bounded() -> None:
    network = Slow()
    measure_latency(network, (1, 8, 8), seconds=0.001)
    assert len(network.seen) <= 4


def test_time_in_which_the_core_was_not_used_is_seen() -> None:
    found = measure_latency(Slow(), (1, 8, 8), seconds=0.02)
    assert found.cpu_share < 0.5, "it slept"


def test_counting_leaves_gradients_modes_and_settings_alone() -> None:
    network = Network(
        Preprocess(Preprocessing(), mean=(0.5,), std=(0.5,)),
        build_model(Mlp(hidden=(4,)), input_shape=(1, 8, 8), classes=3, seed=0, folder=Path()),
    )
    network.model.eval()
    before = torch.backends.mha.get_fastpath_enabled()
    costs(network, (1, 8, 8))
    assert network.training and not network.model.training
    assert torch.backends.mha.get_fastpath_enabled() is before
    assert all(parameter.grad is None for parameter in network.parameters())

"""A network as it is deployed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from students.errors import ModelError
from students.models.build import build_model
from students.models.config import Preprocessing
from students.models.in_a_row import Mlp
from students.models.network import Network, Preprocess, weights_sha256
from students.models.residual import ResNetCifar


def pictures(batch: int, channels: int = 3, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(
        0, 256, (batch, channels, size, size), dtype=torch.uint8, generator=generator
    )


def test_preprocessing_scales_and_normalises_per_channel() -> None:
    config = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    out = Preprocess(config, mean=(9, 9, 9), std=(9, 9, 9))(pictures(2))
    scaled = pictures(2).numpy().astype(np.float64) / 255
    expected = (scaled - np.reshape([0.1, 0.2, 0.3], (3, 1, 1))) / np.reshape(
        [0.5, 0.25, 2.0], (3, 1, 1)
    )
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-6)


def test_what_the_recipe_leaves_out_is_the_transfer_sets_own() -> None:
    one = Preprocess(Preprocessing(), mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    two = Preprocess(Preprocessing(mean=(0.1, 0.2, 0.3)), mean=(9, 9, 9), std=(1, 2, 4))
    assert torch.equal(one(pictures(2)), two(pictures(2)))


def test_reversed_channels_are_the_pictures_with_their_channels_reversed() -> None:
    own = {"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 4.0)}
    rgb = Preprocess(Preprocessing(), **own)(pictures(2))
    bgr = Preprocess(Preprocessing(channels="bgr"), **own)(pictures(2))
    assert torch.equal(bgr, rgb.flip(1))
    said = Preprocess(
        Preprocessing(channels="bgr", mean=(0.3, 0.2, 0.1), std=(4.0, 2.0, 1.0)),
        mean=(9, 9, 9),
        std=(9, 9, 9),
    )
    assert torch.equal(said(pictures(2)), bgr)


def test_a_resize_keeps_an_even_picture_even() -> None:
    even = torch.full((2, 1, 8, 8), 51, dtype=torch.uint8)
    out = Preprocess(Preprocessing(size=5), mean=(0.0,), std=(1.0,))(even)
    assert out.shape == (2, 1, 5, 5)
    torch.testing.assert_close(out, torch.full_like(out, 0.2))


@pytest.mark.parametrize(
    ("config", "channels", "path"),
    [
        (Preprocessing(mean=(0.5, 0.5)), 3, "preprocessing.mean"),
        (Preprocessing(std=(0.5, 0.5)), 1, "preprocessing.std"),
        (Preprocessing(channels="bgr"), 1, "preprocessing.channels"),
    ],
)
def test_preprocessing_that_does_not_fit_the_pictures_is_refused(
    config: Preprocessing, channels: int, path: str
) -> None:
    with pytest.raises(ModelError) as caught:
        Preprocess(config, mean=(0.5,) * channels, std=(1.0,) * channels)
    assert caught.value.path == path


def deployed(size: int | None = None) -> Network:
    config = ResNetCifar(depth=8, width=4, preprocessing=Preprocessing(size=size))
    model = build_model(config, input_shape=(3, 8, 8), classes=5, seed=0, folder=Path())
    own = Preprocess(config.preprocessing, mean=(0.5,) * 3, std=(0.2,) * 3)
    return Network(own, model)


def test_a_network_gives_float32_logits_also_where_its_model_computes_in_bf16() -> None:
    network = deployed().eval()
    assert network(pictures(3)).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert network.model(network.preprocess(pictures(3))).dtype == torch.bfloat16
        assert network(pictures(3)).dtype == torch.float32


@pytest.mark.parametrize("size", [None, 12])
def test_an_exported_network_takes_any_batch(size: int | None) -> None:
    network = deployed(size).eval()
    exported = torch.export.export(
        network, (pictures(2),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    ).module()
    for batch in (1, 2, 9):
        with torch.no_grad():
            torch.testing.assert_close(exported(pictures(batch)), network(pictures(batch)))


def test_settings_of_the_preprocessing_are_no_weights() -> None:
    assert all(name.startswith("model.") for name in deployed().state_dict())


def test_the_weights_digest_is_of_names_types_shapes_and_bytes() -> None:
    model = nn.Linear(2, 1)
    bias, weight = model.bias.detach().numpy(), model.weight.detach().numpy()
    expected = hashlib.sha256(
        b"bias\0float32\0[1]\0" + bias.tobytes() + b"weight\0float32\0[1, 2]\0" + weight.tobytes()
    ).hexdigest()
    assert weights_sha256(model) == expected


def test_the_weights_digest_sees_every_change_and_no_order() -> None:
    def net() -> nn.Module:
        return build_model(
            Mlp(hidden=(4,)), input_shape=(1, 8, 8), classes=3, seed=0, folder=Path()
        )

    assert weights_sha256(net()) == weights_sha256(net())
    changed = net()
    with torch.no_grad():
        changed.get_parameter("output.bias")[0] += 1e-7
    assert weights_sha256(changed) != weights_sha256(net())
    assert weights_sha256(net().bfloat16()) != weights_sha256(net())
    normalised = nn.BatchNorm1d(2)
    before = weights_sha256(normalised)
    normalised(torch.rand(4, 2))
    assert weights_sha256(normalised) != before, "buffers count"
    left, right = nn.Module(), nn.Module()
    left.a, left.b = nn.Linear(1, 1), nn.Linear(1, 1)
    right.b, right.a = left.b, left.a
    assert weights_sha256(left) == weights_sha256(right)

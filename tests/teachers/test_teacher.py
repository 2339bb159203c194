"""A teacher answers with one set of bits, whoever asks and in whatever company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from students.knowledge import Answer, Tap
from students.models.catalog import build_model
from students.models.config import Mlp, ModelConfig, PlainCnn, ResNetCifar
from students.network import Network, Preprocess
from teachers.manner import PLAIN_BATCH, Precision, plain
from teachers.teacher import Teacher

COUNT = 150
PICTURES = torch.randint(
    0, 256, (COUNT, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
NETS: dict[str, tuple[ModelConfig, tuple[Tap, ...]]] = {
    "mlp": (Mlp(hidden=(256, 256), dropout=0.2), (Tap("hidden.0"),)),
    "cnn": (PlainCnn(channels=(16, 16, 32, 32)), ()),
    "resnet": (ResNetCifar(depth=8), (Tap("layer3"), Tap("layer2", "pool"))),
}


def network(kind: str) -> Network:
    config, _ = NETS[kind]
    model = build_model(config, input_shape=(1, 8, 8), classes=10, seed=1, folder=Path())
    return Network(Preprocess(mean=[0.3], std=[0.3], size=None, reverse=False), model)


def teacher(kind: str, precision: Precision = "fp32") -> Teacher:
    return Teacher(network(kind), NETS[kind][1], manner=plain(1, precision))


def differing(one: Answer, other: Answer) -> list[str]:
    pairs = {"logits": (one.logits, other.logits)}
    pairs |= {name: (one.taps[name], other.taps[name]) for name in one.taps}
    return [name for name, (a, b) in pairs.items() if not np.array_equal(a, b)]


def rows(answer: Answer, places: list[int]) -> Answer:
    taps = {name: values[places] for name, values in answer.taps.items()}
    return Answer(answer.logits[places], taps, 0.0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", NETS)
def test_an_answers_bits_depend_neither_on_the_batch_nor_on_the_place_in_it(
    kind: str, precision: Precision
) -> None:
    asked = teacher(kind, precision)
    whole = asked.answer(PICTURES)

    @settings(max_examples=12, deadline=None, database=None)
    @given(st.integers(1, COUNT), st.randoms(use_true_random=False))
    def holds(count: int, random) -> None:  # type: ignore[no-untyped-def]
        places = random.sample(range(COUNT), count)
        assert differing(asked.answer(PICTURES[places]), rows(whole, places)) == []

    holds()


@pytest.mark.parametrize("count", [1, PLAIN_BATCH - 1, PLAIN_BATCH, PLAIN_BATCH + 1])
def test_every_forward_pass_has_one_shape_and_no_filling_is_answered(count: int) -> None:
    asked, shapes = teacher("resnet"), []
    hook = asked.network.register_forward_hook(lambda net, args, out: shapes.append(out.shape))
    answer = asked.answer(PICTURES[:count])
    hook.remove()
    assert set(shapes) == {(PLAIN_BATCH, 10)}
    assert len(shapes) == -(-count // PLAIN_BATCH)
    assert answer.logits.shape == (count, 10)
    assert answer.taps["layer3"].shape == (count, 64, 2, 2)
    assert answer.taps["layer2:pool"].shape == (count, 32)


def test_a_teacher_is_frozen_and_evaluates() -> None:
    net = network("resnet").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    asked = Teacher(net, (Tap("layer3"),), manner=plain(1))
    asked.answer(PICTURES)
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert all(parameter.grad is None for parameter in net.parameters())
    # In training mode batch normalisation would have counted the batches.
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_dropout_of_a_teacher_drops_nothing() -> None:
    asked = teacher("mlp")
    assert differing(asked.answer(PICTURES), asked.answer(PICTURES)) == []


def test_logits_and_taps_are_the_networks_own() -> None:
    asked, net = teacher("resnet"), network("resnet").eval()
    kept: dict[str, torch.Tensor] = {}
    for name in ("layer2", "layer3"):
        layer: nn.Module = net.model.get_submodule(name)
        layer.register_forward_hook(lambda m, a, out, name=name: kept.__setitem__(name, out))
    with torch.no_grad():
        logits = net(PICTURES[:PLAIN_BATCH])
    answer = asked.answer(PICTURES[:PLAIN_BATCH])
    for got, wanted in (
        (answer.logits, logits),
        (answer.taps["layer3"], kept["layer3"]),
        (answer.taps["layer2:pool"], kept["layer2"].mean((2, 3))),
    ):
        assert got.dtype == np.float16
        assert np.allclose(got, wanted.numpy(), rtol=1e-3, atol=1e-4)


def test_bf16_is_close_to_fp32_and_not_the_same() -> None:
    plain, coarse = teacher("resnet").answer(PICTURES), teacher("resnet", "bf16").answer(PICTURES)
    assert "logits" in differing(plain, coarse)
    assert np.allclose(plain.logits, coarse.logits, atol=0.1)


def test_a_teacher_leaves_the_callers_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    Teacher(network("mlp"), manner=plain(before + 1)).answer(PICTURES[:1])
    assert torch.get_num_threads() == before

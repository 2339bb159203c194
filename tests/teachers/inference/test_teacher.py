"""A teacher's answer to a sample has the same bits in every batch and for every student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from students.knowledge import Answer, Tap
from students.models.build import build_model
from students.models.config import Model, Preprocessing
from students.models.in_a_row import Mlp, PlainCnn
from students.models.network import Network, Preprocess
from students.models.residual import ResNetCifar
from teachers.inference.inference_config import PLAIN_BATCH, InferenceConfig, plain
from teachers.inference.runnable import can_compile
from teachers.inference.teacher import Teacher

COUNT = 150
PICTURES = torch.randint(
    0, 256, (COUNT, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
NETS: dict[str, tuple[Model, tuple[Tap, ...]]] = {
    "mlp": (Mlp(hidden=(256, 256), dropout=0.2), (Tap("hidden.0"),)),
    "unaligned": (Mlp(hidden=(78, 41)), (Tap("hidden.0"),)),
    "cnn": (PlainCnn(channels=(16, 16, 32, 32)), ()),
    "resnet": (ResNetCifar(depth=8), (Tap("layer3"), Tap("layer2", "pool"))),
}


def network(kind: str) -> Network:
    config, _ = NETS[kind]
    model = build_model(config, input_shape=(1, 8, 8), classes=10, seed=1, folder=Path())
    return Network(Preprocess(Preprocessing(), mean=[0.3], std=[0.3]), model)


LAID = {"channels_last": True, "folded": True}
CONFIGS = {
    "fp32": plain(1),
    "bf16": plain(1, "bf16"),
    "fp32 laid": replace(plain(1), **LAID),  # type: ignore[arg-type]
    "bf16 laid": replace(plain(1, "bf16"), **LAID),  # type: ignore[arg-type]
    "wide": replace(plain(1), forward_batch=128),
    "narrow": replace(plain(1), forward_batch=32, **LAID),  # type: ignore[arg-type]
}
"""The configs that tuning may choose; one that is compiled has a test of its own."""


def teacher(kind: str, inference: InferenceConfig = CONFIGS["fp32"]) -> Teacher:
    return Teacher(network(kind), inference=inference)


def differing(one: Answer, other: Answer) -> list[str]:
    return [
        name
        for name, values in one.columns.items()
        if not np.array_equal(values, other.columns[name])
    ]


def rows(answer: Answer, places: list[int]) -> Answer:
    return Answer({name: values[places] for name, values in answer.columns.items()})


@pytest.mark.parametrize("inference", CONFIGS)
@pytest.mark.parametrize("kind", NETS)
def test_an_answers_bits_depend_neither_on_the_batch_nor_on_the_place_in_it(
    kind: str, inference: str
) -> None:
    asked, taps = teacher(kind, CONFIGS[inference]), NETS[kind][1]
    whole = asked.answer(PICTURES, taps)

    @settings(max_examples=12, deadline=None, database=None)
    @given(st.integers(1, COUNT), st.randoms(use_true_random=False))
    def holds(count: int, random) -> None:  # type: ignore[no-untyped-def]
        places = random.sample(range(COUNT), count)
        assert differing(asked.answer(PICTURES[places], taps), rows(whole, places)) == []

    holds()


def test_that_holds_with_the_linear_layer_that_deepspeed_puts_in_place_of_torchs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from deepspeed.runtime.zero.linear import zero3_linear_wrap

    monkeypatch.setattr(nn.functional, "linear", zero3_linear_wrap)
    test_an_answers_bits_depend_neither_on_the_batch_nor_on_the_place_in_it("unaligned", "fp32")


@pytest.mark.parametrize("count", [1, PLAIN_BATCH - 1, PLAIN_BATCH, PLAIN_BATCH + 1])
def test_every_forward_pass_has_one_shape_and_padding_is_not_returned(count: int) -> None:
    asked, shapes = teacher("resnet"), []
    hook = asked.network.register_forward_hook(lambda net, args, out: shapes.append(out.shape))
    answer = asked.answer(PICTURES[:count], NETS["resnet"][1])
    hook.remove()
    assert set(shapes) == {(PLAIN_BATCH, 10)}
    assert len(shapes) == -(-count // PLAIN_BATCH)
    assert answer.logits.shape == (count, 10)
    assert answer.taps["layer3"].shape == (count, 64, 2, 2)
    assert answer.taps["layer2:pool"].shape == (count, 32)


def test_a_teacher_is_frozen_and_evaluates() -> None:
    net = network("resnet").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    asked = Teacher(net, inference=plain(1))
    asked.answer(PICTURES, (Tap("layer3"),))
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert all(parameter.grad is None for parameter in net.parameters())
    # In training mode batch normalisation would have counted the batches.
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_dropout_of_a_teacher_drops_nothing() -> None:
    asked, taps = teacher("mlp"), NETS["mlp"][1]
    assert differing(asked.answer(PICTURES, taps), asked.answer(PICTURES, taps)) == []


def test_logits_and_taps_are_the_networks_own() -> None:
    asked, net = teacher("resnet"), network("resnet").eval()
    kept: dict[str, torch.Tensor] = {}
    for name in ("layer2", "layer3"):
        layer: nn.Module = net.model.get_submodule(name)
        layer.register_forward_hook(lambda m, a, out, name=name: kept.__setitem__(name, out))
    with torch.no_grad():
        logits = net(PICTURES[:PLAIN_BATCH])
    answer = asked.answer(PICTURES[:PLAIN_BATCH], NETS["resnet"][1])
    for got, wanted in (
        (answer.logits, logits),
        (answer.taps["layer3"], kept["layer3"]),
        (answer.taps["layer2:pool"], kept["layer2"].mean((2, 3))),
    ):
        assert got.dtype == np.float16
        assert np.allclose(got, wanted.numpy(), rtol=1e-3, atol=1e-4)


def test_bf16_is_close_to_fp32_and_not_the_same() -> None:
    fine = teacher("resnet").answer(PICTURES)
    coarse = teacher("resnet", CONFIGS["bf16"]).answer(PICTURES)
    assert "logits" in differing(fine, coarse)
    assert np.allclose(fine.logits, coarse.logits, atol=0.1)


@pytest.mark.parametrize("inference", CONFIGS)
@pytest.mark.parametrize("layer", ["conv1", "bn1", "layer1.0.conv2", "layer3"])
def test_with_every_config_a_tap_is_the_layers_own_and_changes_no_logits(
    layer: str, inference: str
) -> None:
    """Also of a convolution into which the normalisation after it was folded."""
    taps, net = (Tap(layer),), network("resnet")
    with torch.no_grad():
        for each in net.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.weight.mul_(1.5)
                each.running_mean.add_(0.1)
    wanted = Teacher(net, inference=plain(1)).answer(PICTURES, taps)
    asked = Teacher(net, inference=CONFIGS[inference])
    found = asked.answer(PICTURES, taps)
    error = np.abs(found.taps[layer].astype(np.float32) - wanted.taps[layer]).mean()
    assert error < 0.02 * np.abs(wanted.taps[layer]).mean(dtype=np.float32)
    assert found.taps[layer].flags.c_contiguous
    # The same teacher, asked for other taps before and after.
    others = (Tap("layer2", "pool"), Tap("layer1.0.conv1"), *taps)
    for each in (asked.answer(PICTURES), asked.answer(PICTURES, others), asked.answer(PICTURES)):
        assert np.array_equal(each.logits, found.logits)
    assert differing(found, asked.answer(PICTURES, taps)) == []


def test_one_config_after_the_other_leaves_the_network_as_it_was() -> None:
    net = network("resnet")
    before = Teacher(net, inference=plain(1)).answer(PICTURES)
    for inference in CONFIGS.values():
        Teacher(net, inference=inference).answer(PICTURES[:1])
    assert differing(Teacher(net, inference=plain(1)).answer(PICTURES), before) == []


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="no C++ compiler here")
def test_a_compiled_teacher_answers_alike_in_every_batch_with_taps_and_without(
    tmp_path: Path,
) -> None:
    inference, taps = replace(plain(1), compiled=True, **LAID), NETS["resnet"][1]  # type: ignore[arg-type]
    asked = Teacher(network("resnet"), inference=inference, cache=tmp_path)
    whole, wanted = asked.answer(PICTURES, taps), teacher("resnet").answer(PICTURES, taps)
    assert np.allclose(whole.logits, wanted.logits, rtol=1e-2, atol=1e-2)
    assert np.allclose(whole.taps["layer3"], wanted.taps["layer3"], rtol=1e-2, atol=1e-2)
    for places in ([5, 3, 149], list(range(COUNT))[::-1]):
        assert differing(asked.answer(PICTURES[places], taps), rows(whole, places)) == []
    for other in ((), (Tap("conv1"),)):
        assert np.array_equal(asked.answer(PICTURES, other).logits, whole.logits)
    again = Teacher(network("resnet"), inference=inference, cache=tmp_path).answer(PICTURES)
    assert np.array_equal(again.logits, whole.logits)


def test_a_teacher_leaves_the_callers_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    Teacher(network("mlp"), inference=plain(before + 1)).answer(PICTURES[:1])
    assert torch.get_num_threads() == before

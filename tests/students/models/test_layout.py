"""Pictures laid out channels last: nothing is rearranged in between, and the results agree."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from students.models.build import build_model
from students.models.in_a_row import PlainCnn
from students.models.mobilenet_cifar import MobileNetCifar
from students.models.residual import PaddedShortcut, ResNetCifar, WideResNet
from students.torch_state import use_threads

MODELS = {
    "plain_cnn": PlainCnn(depth=2, width=8),
    "resnet_cifar": ResNetCifar(depth=8),
    "projecting": ResNetCifar(depth=8, shortcut="B"),
    "wide_resnet": WideResNet(depth=10, widen=1),
    "mobilenet_cifar": MobileNetCifar(width=0.25),
}
LAST = torch.channels_last


@pytest.fixture(autouse=True)
def one_thread():
    with use_threads(1):
        yield


def _model(kind):
    shape = (3, 16, 16)
    return build_model(MODELS[kind], input_shape=shape, classes=10, seed=0, folder=Path.cwd())


def _pictures():
    return torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def _has_positions(tensor):
    return isinstance(tensor, torch.Tensor) and tensor.dim() == 4 and min(tensor.shape[1:]) > 1


def _watched(model, layouts):
    """Notes for each layer whether what it gives, and passes back, is channels last."""

    def note(kind, name, tensors):
        layouts[name, kind] = all(
            tensor.is_contiguous(memory_format=LAST) for tensor in tensors if _has_positions(tensor)
        )

    for name, layer in model.named_modules():
        if not list(layer.children()) and not isinstance(layer, nn.Identity):
            layer.register_forward_hook(lambda _, args, out, n=name: note("output", n, [out]))
            layer.register_full_backward_hook(
                lambda _, passed_on, got, n=name: note("gradient", n, passed_on)
            )


@pytest.mark.parametrize("kind", MODELS)
def test_every_feature_and_every_gradient_stays_channels_last(kind):
    model, layouts = _model(kind).train(), {}
    _watched(model, layouts)
    pictures = _pictures().contiguous(memory_format=LAST).requires_grad_()
    model(pictures).square().mean().backward()
    assert len(layouts) > 10
    assert [place for place, channels_last in layouts.items() if not channels_last] == []
    assert all(weight.grad.is_contiguous() for weight in model.parameters())


@pytest.mark.parametrize("kind", MODELS)
def test_both_layouts_give_the_same_answers(kind):
    model = _model(kind).eval()
    with torch.inference_mode():
        plain = model(_pictures())
        torch.testing.assert_close(model(_pictures().contiguous(memory_format=LAST)), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 7, 8])
def test_the_padded_shortcut_takes_every_second_pixel_both_ways(dtype, size):
    features = torch.randn(2, 4, size, size).to(dtype)
    one, other = (features.clone().requires_grad_() for _ in range(2))
    expected = functional.pad(one[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
    found = PaddedShortcut(4, 8, 2)(other)
    assert torch.equal(found, expected)
    back = torch.randn_like(expected)
    expected.backward(back)
    found.backward(back)
    assert torch.equal(one.grad, other.grad)

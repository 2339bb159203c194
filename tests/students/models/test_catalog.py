"""Models by kind: sizes known from their papers, layers by name, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from students.errors import ModelError, UserError
from students.models.build import build_model, initialise, skeleton
from students.models.catalog import ModelConfig
from students.models.probe import probe

CIFAR, DIGITS = (3, 32, 32), (1, 8, 8)
ADAPTER: TypeAdapter[Any] = TypeAdapter(ModelConfig)

BUILT_IN: list[dict[str, Any]] = [
    {"kind": "mlp", "hidden": (16,)},
    {"kind": "mlp", "depth": 2, "width": 8, "dropout": 0.5},
    {"kind": "plain_cnn", "channels": (4, 4, 8, 8)},
    {"kind": "plain_cnn", "depth": 9, "width": 2},
    {"kind": "resnet_cifar", "depth": 8},
    {"kind": "resnet_cifar", "depth": 8, "width": 5, "shortcut": "A"},
    {"kind": "resnet_cifar", "depth": 8, "width": 5, "shortcut": "B"},
    {"kind": "wide_resnet", "depth": 10, "widen": 1, "dropout": 0.3},
    {"kind": "mobilenet_cifar", "width": 0.25},
]


def config(settings: dict[str, Any]) -> Any:
    return ADAPTER.validate_python(settings)


def build(settings: dict[str, Any], shape: tuple[int, int, int] = CIFAR, **more: Any) -> nn.Module:
    given = {"input_shape": shape, "classes": 10, "seed": 0, "folder": Path("/nowhere"), **more}
    return build_model(config(settings), **given)


def bare(settings: dict[str, Any], shape: tuple[int, int, int] = CIFAR, **more: Any) -> nn.Module:
    given = {"input_shape": shape, "classes": 10, "folder": Path("/nowhere"), **more}
    return skeleton(config(settings), **given)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "resnet_cifar", "depth": 20}, 269_722),
        ({"kind": "resnet_cifar", "depth": 32}, 464_154),
        ({"kind": "resnet_cifar", "depth": 44}, 658_586),
        ({"kind": "resnet_cifar", "depth": 56}, 853_018),
        ({"kind": "resnet_cifar", "depth": 110}, 1_727_962),
        # 16->32 and 32->64 projections of 1x1 with their normalisation come in.
        ({"kind": "resnet_cifar", "depth": 20, "shortcut": "B"}, 269_722 + 16 * 32 + 64 + 2176),
        ({"kind": "wide_resnet", "depth": 28, "widen": 10}, 36_479_194),
        ({"kind": "wide_resnet", "depth": 40, "widen": 4}, 8_949_210),
        ({"kind": "mobilenet_cifar"}, 3_217_226),
        ({"kind": "mlp", "hidden": (1200, 1200)}, 3072 * 1200 + 1201 * 1200 + 1200 + 12010),
        ({"kind": "torchvision", "name": "resnet18"}, 11_181_642),
    ],
)
def test_models_have_as_many_parameters_as_published(
    settings: dict[str, Any], expected: int
) -> None:
    assert parameters(bare(settings)) == expected


@pytest.mark.parametrize("settings", BUILT_IN)
@pytest.mark.parametrize("shape", [CIFAR, DIGITS, (1, 28, 28), (2, 5, 3)])
def test_every_built_in_model_takes_pictures_of_any_size(
    settings: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    model = build(settings, shape, classes=7)
    logits = model(torch.rand(3, *shape))
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("settings", BUILT_IN)
def test_a_skeleton_has_the_names_and_shapes_of_the_model(settings: dict[str, Any]) -> None:
    built, empty = build(settings, DIGITS).state_dict(), bare(settings, DIGITS).state_dict()
    assert [(n, t.shape, t.dtype) for n, t in built.items()] == [
        (n, t.shape, t.dtype) for n, t in empty.items()
    ]
    assert all(tensor.is_meta for tensor in empty.values())
    assert not any(tensor.is_meta for tensor in built.values())


@pytest.mark.parametrize(
    ("settings", "layer", "shape"),
    [
        ({"kind": "mlp", "hidden": (9, 5)}, "hidden.0", (2, 9)),
        ({"kind": "mlp", "hidden": (9, 5)}, "hidden.1", (2, 5)),
        ({"kind": "plain_cnn", "channels": (4, 4, 8, 8)}, "stage1", (2, 4, 4, 4)),
        ({"kind": "plain_cnn", "channels": (4, 4, 8, 8)}, "stage2", (2, 8, 2, 2)),
        ({"kind": "resnet_cifar", "depth": 8}, "layer3", (2, 64, 2, 2)),
        ({"kind": "wide_resnet", "depth": 10, "widen": 2}, "layer2", (2, 64, 4, 4)),
        ({"kind": "mobilenet_cifar", "width": 0.5}, "layers.12", (2, 512, 1, 1)),
    ],
)
def test_layers_are_named_as_modules_and_give_activations(
    settings: dict[str, Any], layer: str, shape: tuple[int, ...]
) -> None:
    model, seen = build(settings, DIGITS), []
    model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: seen.append(output))
    model(torch.rand(2, *DIGITS))
    assert seen[0].shape == shape
    if settings["kind"] != "wide_resnet":  # whose blocks end before their activation
        assert seen[0].min() >= 0


def test_a_resize_decides_what_the_model_is_built_for() -> None:
    settings = {"kind": "mlp", "hidden": (4,), "preprocessing": {"size": 10}}
    assert config(settings).model_shape(DIGITS) == (1, 10, 10)
    assert build(settings, DIGITS)(torch.rand(2, 1, 10, 10)).shape == (2, 10)


def test_dropout_of_a_wide_resnet_and_an_mlp_acts_in_training_alone() -> None:
    for settings in (BUILT_IN[1], BUILT_IN[7]):
        model, pictures = build(settings, DIGITS), torch.rand(4, *DIGITS)
        assert not torch.equal(model(pictures), model(pictures))
        model.eval()
        assert torch.equal(model(pictures), model(pictures))


@pytest.mark.parametrize("settings", [*BUILT_IN, {"kind": "torchvision", "name": "resnet18"}])
def test_initial_weights_are_a_function_of_the_seed(settings: dict[str, Any]) -> None:
    torch.manual_seed(1)
    first = build(settings, DIGITS, seed=3).state_dict()
    torch.rand(5)
    again = build(settings, DIGITS, seed=3).state_dict()
    other = build(settings, DIGITS, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("settings", [BUILT_IN[4], {"kind": "torchvision", "name": "resnet18"}])
def test_building_leaves_the_callers_generator_alone(settings: dict[str, Any]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(settings)
    bare(settings)
    probe(config(settings), input_shape=CIFAR, classes=10, folder=Path("/nowhere"))
    assert torch.equal(torch.rand(3), expected)


def test_a_modules_initial_weights_do_not_depend_on_those_before_it() -> None:
    shallow = build({"kind": "resnet_cifar", "depth": 8}).state_dict()
    deep = build({"kind": "resnet_cifar", "depth": 20}).state_dict()
    for name in ("conv1.weight", "layer1.0.conv2.weight", "layer3.0.conv1.weight", "linear.weight"):
        assert torch.equal(shallow[name], deep[name])


def test_another_width_of_one_layer_leaves_the_others_alone() -> None:
    narrow = build({"kind": "mlp", "hidden": (8, 16, 4)}).state_dict()
    wide = build({"kind": "mlp", "hidden": (32, 16, 4)}).state_dict()
    for name in ("hidden.2.linear.weight", "hidden.2.linear.bias", "output.weight"):
        assert torch.equal(narrow[name], wide[name])
    assert narrow["hidden.1.linear.weight"].shape != wide["hidden.1.linear.weight"].shape


def test_initial_weights_have_the_variance_of_he() -> None:
    model = build({"kind": "resnet_cifar", "depth": 8, "width": 64})
    for name, fan_in in (("layer1.0.conv1", 64 * 9), ("layer3.0.conv2", 256 * 9)):
        weight = model.get_parameter(f"{name}.weight").detach()
        assert float(weight.var() * fan_in) == pytest.approx(2.0, rel=0.03)
        assert abs(float(weight.mean())) < 0.01
    bound = 1 / 256**0.5
    assert float(model.get_parameter("linear.weight").detach().abs().max()) <= bound
    assert float(model.get_parameter("linear.bias").detach().abs().max()) > 0


def test_two_modules_of_one_shape_start_differently() -> None:
    model = build({"kind": "resnet_cifar", "depth": 14})
    assert not torch.equal(
        model.get_parameter("layer1.0.conv1.weight"), model.get_parameter("layer1.1.conv1.weight")
    )


def test_a_module_without_a_rule_is_not_left_as_it_is() -> None:
    with pytest.raises(TypeError, match="LayerNorm"):
        initialise(nn.Sequential(nn.LayerNorm(3)), 0)


def test_shortcut_a_keeps_the_old_channels_in_the_middle() -> None:
    model = build({"kind": "resnet_cifar", "depth": 8, "width": 4}, DIGITS)
    shortcut = model.get_submodule("layer2.0.shortcut")
    features = torch.rand(2, 4, 8, 8)
    out = shortcut(features)
    assert out.shape == (2, 8, 4, 4)
    assert torch.equal(out[:, 2:6], features[:, :, ::2, ::2])
    assert not out[:, :2].any() and not out[:, 6:].any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "resnet_cifar", "depth": 9}, "6n"),
        ({"kind": "wide_resnet", "depth": 12}, "6n"),
        ({"kind": "mlp"}, "hidden"),
        ({"kind": "mlp", "hidden": (4,), "width": 3}, "hidden"),
        ({"kind": "mlp", "hidden": (-4,)}, "greater"),
        ({"kind": "plain_cnn", "channels": ()}, "at least 1"),
        ({"kind": "plain_cnn", "depth": 4}, "channels"),
        ({"kind": "mobilenet_cifar", "width": float("nan")}, "finite"),
        ({"kind": "custom", "source": "model.txt:build"}, "match"),
    ],
)
def test_a_size_that_no_model_has_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(settings)


def test_a_probe_finds_a_model_that_refuses_the_size() -> None:
    wanted = {"kind": "torchvision", "name": "vit_b_16"}
    with pytest.raises(ModelError, match=r"3x32x32.*preprocessing\.size"):
        probe(config(wanted), input_shape=CIFAR, classes=10, folder=Path("/nowhere"))
    fitting = {**wanted, "preprocessing": {"size": 224}}
    probe(config(fitting), input_shape=CIFAR, classes=10, folder=Path("/nowhere"))


@pytest.mark.parametrize("name", ["resnet18", "regnet_x_400mf", "googlenet", "squeezenet1_1"])
def test_torchvisions_models_take_grey_pictures_and_give_logits(name: str) -> None:
    settings = {"kind": "torchvision", "name": name, "preprocessing": {"size": 64}}
    model = probe(config(settings), input_shape=(1, 28, 28), classes=7, folder=Path("/nowhere"))
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"name": "resnet19"}, "name", "'resnet1[08]'"),
        ({"name": "maskrcnn_resnet50_fpn"}, "name", "none of torchvision's"),
        ({"name": "resnet18", "options": {"weights": "DEFAULT"}}, "options.weights", "weights"),
        ({"name": "resnet18", "options": {"num_classes": 3}}, "options.num_classes", "transfer"),
        ({"name": "googlenet", "options": {"aux_logits": True}}, "options.aux_logits", "output"),
        ({"name": "resnet18", "options": {"wdith": 3}}, "options", "wdith"),
    ],
)
def test_what_torchvision_cannot_build_is_reported(
    settings: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        bare({"kind": "torchvision", **settings})
    assert caught.value.path == path
    assert caught.value.message.startswith(f"`{path}` ")


CUSTOM = """
from torch import nn
def build(input_shape, classes, width=3):
    c, h, w = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, width), nn.Linear(width, classes))
def wrong(input_shape, classes): return nn.Flatten()
def nothing(input_shape, classes): return 5
class Counting(nn.Flatten):
    def forward(self, pictures):
        assert pictures.sum().item() == 0
        return super().forward(pictures)[:, :10]
def counting(input_shape, classes): return Counting()
def broken(input_shape, classes): raise RuntimeError("no luck\\nat all")
"""


def test_a_custom_model_is_built_by_its_function(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CUSTOM)
    settings = {"kind": "custom", "source": "model.py:build", "options": {"width": 5}}
    first = build(settings, DIGITS, folder=tmp_path).state_dict()
    torch.rand(3)
    again = build(settings, DIGITS, folder=tmp_path).state_dict()
    assert first["1.weight"].shape == (5, 64)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_custom_model_that_looks_at_values_can_be_probed(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CUSTOM)
    settings = {"kind": "custom", "source": "model.py:counting"}
    probe(config(settings), input_shape=DIGITS, classes=10, folder=tmp_path)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("wrong", r"\[2, 64\].*must return logits \[2, 10\]"),
        ("nothing", "returns a int"),
        ("broken", "raises RuntimeError at .*:13: no luck;"),
        ("absent", "no function 'absent'"),
    ],
)
def test_a_custom_model_that_is_none_is_reported(tmp_path: Path, function: str, words: str) -> None:
    (tmp_path / "model.py").write_text(CUSTOM)
    settings = {"kind": "custom", "source": f"model.py:{function}"}
    with pytest.raises(UserError, match=words):
        probe(config(settings), input_shape=DIGITS, classes=10, folder=tmp_path)

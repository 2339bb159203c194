"""Models are tried as a run will use them, evaluated and trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from students.errors import ModelError
from students.models.build import build_model
from students.models.custom import CustomModel
from students.models.probe import probe
from students.models.torchvision_models import TorchvisionModel

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, after):
        super().__init__()
        self.layer, self.after = nn.Linear(64, classes), after

    def forward(self, x):
        return self.after(self, self.layer(x.flatten(1)))

def made(after):
    return lambda input_shape, classes: Net(classes, after)

good = made(lambda net, y: y)
a_tuple = made(lambda net, y: (y, y) if net.training else y)
a_dict = made(lambda net, y: {"logits": y, "aux": y} if net.training else y)
squeezed = made(lambda net, y: y.squeeze())
whole_numbers = made(lambda net, y: y.argmax(1, keepdim=True).expand(-1, 10))
detached = made(lambda net, y: y.detach())
changed_in_place = made(lambda net, y: y.exp().mul_(2).add_(y.exp_()))
only_when_trained = made(lambda net, y: y if not net.training else undefined)

def leaving(net, y):
    if net.training:
        raise SystemExit(3)
    return y

ends = made(leaving)

class InAList(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Linear(64, 8)
        self.layers = [nn.Linear(8, classes)]

    def forward(self, x):
        return self.layers[0](self.first(x.flatten(1)))

class MadeLate(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, x):
        x = x.flatten(1)
        if not hasattr(self, "out"):
            self.out = nn.Linear(x.shape[1], self.classes)
        return self.out(x)

in_a_list = lambda input_shape, classes: InAList(classes)
made_late = lambda input_shape, classes: MadeLate(classes)

class OfItsInput(Net):
    def forward(self, x):
        x = x.detach().requires_grad_()
        return super().forward(x)

of_its_input = lambda input_shape, classes: OfItsInput(classes, lambda net, y: y)

def reading_values(net, y):
    if net.training and float(y.sum()) > 1e9:
        raise ValueError
    return y

on_the_cpu = made(reading_values)

def normalised(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))

def lazy(input_shape, classes):
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(classes)
    )

class Branch(nn.Sequential):
    def forward(self, x):
        return self[0](x.flatten(1)) if not self.training else self[1](x.flatten(1))

def lazy_branch(input_shape, classes):
    return Branch(nn.Linear(64, classes), nn.LazyLinear(classes))
"""


def custom(folder: Path, function: str) -> CustomModel:
    (folder / "net.py").write_text(CODE)
    return CustomModel(source=f"net.py:{function}")


def tried(folder: Path, function: str, trained_on: int | None = 4) -> None:
    probe(
        custom(folder, function),
        input_shape=(1, 8, 8),
        classes=10,
        folder=folder,
        trained_on=trained_on,
    )


@pytest.mark.parametrize("function", ["good", "on_the_cpu", "normalised", "lazy", "of_its_input"])
def test_a_model_that_can_be_trained_passes(tmp_path: Path, function: str) -> None:
    tried(tmp_path, function)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("a_tuple", "in training mode the model returns a tuple for 4 pictures of 1x8x8"),
        ("a_dict", "in training mode the model returns a dict for 4 pictures"),
        ("squeezed", r"in evaluation mode the model returns \[10\] for 1 picture of 1x8x8"),
        ("whole_numbers", r"in evaluation mode the model returns torch\.int64 numbers"),
        ("detached", "in training mode its logits have no gradient"),
        ("changed_in_place", "fails in training mode on 4 pictures.*inplace operation"),
        ("only_when_trained", r"fails in training mode on 4 .*\(NameError at .*net\.py:\d+: "),
        ("ends", r"fails in training mode on 4 .*\(SystemExit\(3\) at .*net\.py:\d+\)"),
        ("in_a_list", r"with 2 tensors .* not name among its parameters \(\[\d.*`nn\.ModuleList`"),
        ("made_late", r"makes parameters as it is run first \(out\.weight, out\.bias\)"),
        ("lazy_branch", r"has layers without sizes \(1\), which it does not use in evaluation"),
    ],
)
def test_what_fails_in_a_run_is_reported_with_its_mode(
    tmp_path: Path, function: str, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        tried(tmp_path, function)


def test_a_model_that_is_only_evaluated_need_not_be_trainable(tmp_path: Path) -> None:
    for function in ("a_tuple", "detached", "only_when_trained", "normalised"):
        tried(tmp_path, function, trained_on=None)


def test_layers_that_no_weights_file_has_are_reported_where_a_model_is_only_evaluated(
    tmp_path: Path,
) -> None:
    for function, words in (("in_a_list", "trained nor stored"), ("made_late", "weights file")):
        with pytest.raises(ModelError, match=words):
            tried(tmp_path, function, trained_on=None)


def test_batch_normalisation_of_one_value_is_blamed_on_the_micro_batch(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is 1.*fails in training mode.*give 2 or more") as caught:
        tried(tmp_path, "normalised", trained_on=1)
    assert caught.value.path == "train.micro_batch_size"
    model = TorchvisionModel(name="shufflenet_v2_x0_5")
    with pytest.raises(ModelError, match="more than 1 value per channel"):
        probe(model, input_shape=(3, 32, 32), classes=3, folder=tmp_path, trained_on=1)


def test_lazy_layers_have_sizes_and_their_weights_follow_from_the_seed(tmp_path: Path) -> None:
    model = custom(tmp_path, "lazy")
    given = {"input_shape": (1, 8, 8), "classes": 10, "folder": tmp_path}
    first, again = (build_model(model, seed=3, **given) for _ in range(2))
    other = build_model(model, seed=4, **given)
    assert isinstance(first, nn.Sequential)
    assert first[0].weight.shape == (4, 1, 3, 3)
    assert first.training
    assert torch.equal(first[3].weight, again[3].weight)
    assert not torch.equal(first[3].weight, other[3].weight)

"""A folded network answers as before, and only what can be folded is."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from students.models.build import build_model
from students.models.config import Model
from students.models.in_a_row import PlainCnn
from students.models.mobilenet_cifar import MobileNetCifar
from students.models.residual import ResNetCifar
from teachers.inference.runnable import fold

PICTURES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def trained(model: nn.Module) -> nn.Module:
    """With statistics that differ from those at the beginning."""
    with torch.no_grad():
        for _ in range(3):
            model.train()(PICTURES)
        for each in model.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.bias += 0.1
    return model.eval()


@pytest.mark.parametrize(
    ("config", "count"),
    [(ResNetCifar(depth=8), 7), (ResNetCifar(depth=8, shortcut="B"), 9), (MobileNetCifar(), None)],
)
def test_a_folded_network_answers_as_before(config: Model, count: int | None) -> None:
    torch.manual_seed(0)
    model = trained(build_model(config, input_shape=(3, 16, 16), classes=10, seed=1, folder=Path()))
    folded = copy.deepcopy(model)
    names = fold(folded)
    norms = sum(isinstance(each, nn.BatchNorm2d) for each in model.modules())
    assert len(names) == norms == (count or norms)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(PICTURES), model(PICTURES), rtol=1e-3, atol=1e-4)


class Several(nn.Module):
    """Convolutions whose outputs are read twice, or that run twice; one that can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.read_twice, self.run_twice, self.plain = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.norm1, self.norm2, self.norm3 = (nn.BatchNorm2d(3) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        one = self.read_twice(x)
        two = self.run_twice(self.run_twice(self.norm1(one) + one))
        return self.norm3(self.plain(self.norm2(two)))


class Branching(nn.Module):
    """One whose control flow depends on what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) if x.sum() > 0 else x


def test_what_else_is_read_or_runs_again_is_not_folded() -> None:
    torch.manual_seed(0)
    model = trained(Several())
    with torch.no_grad():
        before = model(PICTURES)
        assert fold(model) == ("plain",)
        assert torch.allclose(model(PICTURES), before, atol=1e-5)


def test_a_network_that_cannot_be_traced_stays_as_it_is() -> None:
    model = Branching().eval()
    assert fold(model) == ()
    assert isinstance(model.norm, nn.BatchNorm2d)
    bare = PlainCnn(channels=(4, 8))
    cnn = build_model(bare, input_shape=(3, 16, 16), classes=10, seed=1, folder=Path())
    before = copy.deepcopy(cnn.state_dict())
    if not any(isinstance(each, nn.BatchNorm2d) for each in cnn.modules()):
        assert fold(cnn) == ()
        assert all(torch.equal(value, before[name]) for name, value in cnn.state_dict().items())

"""Torch is loaded when something of it is used, and networks are ordinary modules then."""

from __future__ import annotations

import copy
import subprocess
import sys

import torch
from torch import nn

from students.lazy_imports import LazyModule, functional
from students.lazy_imports import torch as lazy_torch


class Doubled(LazyModule):
    """Twice what its linear layer gives."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return 2 * self.linear(features)


def test_what_is_looked_up_is_torchs_own() -> None:
    assert lazy_torch.softmax is torch.softmax
    assert functional.relu is torch.nn.functional.relu


def test_a_lazy_module_is_an_ordinary_module() -> None:
    first, second = Doubled(3), Doubled(width=3)
    assert isinstance(first, nn.Module) and isinstance(first, Doubled)
    assert type(first) is type(second) and type(first).__name__ == "Doubled"
    assert list(first.state_dict()) == ["linear.weight", "linear.bias"]
    second.load_state_dict(first.state_dict())
    features = torch.randn(2, 3)
    assert torch.equal(second(features), first(features))
    assert torch.equal(copy.deepcopy(first)(features), first(features))


def test_terms_rules_and_models_load_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, students.objectives.catalog, students.models.catalog\n"
        "import teachers.weighting.catalog\n"
        "assert not {'torch', 'numpy', 'jaxtyping'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""Initial weights as a function of a seed and a module's name."""

from __future__ import annotations

import torch
from torch import nn

from students.randomness import seed_of


def initialise(model: nn.Module, seed: int) -> None:
    """Gives every module of ``model`` its initial weights, in place.

    Each module draws from its own generator, seeded by ``seed_of(seed, "init", name)``:
    what a module starts from depends on its name and shape, and on nothing built before it,
    and the caller's generator is unchanged.

    Convolutions: normal with variance 2 / fan_in, for what follows is a ReLU (He et al., 2015,
    "Delving Deep into Rectifiers", equation 10). Linear layers: PyTorch's own, uniform within
    1 / sqrt(fan_in), weights and bias. Batch normalisation: scale 1, shift 0.

    Raises:
        TypeError: a module has tensors of its own and is none of these.
    """
    for name, module in model.named_modules():
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed_of(seed, "init", name))
            _reset(module, name)


def _reset(module: nn.Module, name: str) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, (nn.Linear, nn.BatchNorm2d)):
        module.reset_parameters()
    elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
        # Uninitialised memory would otherwise become the weights.
        raise TypeError(f"module {name!r} is a {type(module).__name__}: no rule to initialise it")

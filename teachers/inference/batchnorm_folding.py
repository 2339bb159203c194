"""Folds batch normalisation into the convolution before it, as evaluation mode allows."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CANNOT_TRACE = (
    RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, AssertionError,
)  # fmt: skip
"""What following a model's code raises where its way depends on what it computes."""


def fold(model: nn.Module) -> tuple[str, ...]:
    """Folds, in place, each batch normalisation that alone reads one convolution.

    With weight w, running mean m, variance v, scale g, shift b: the convolution's weight becomes
    w g / sqrt(v + eps), its bias (bias - m) g / sqrt(v + eps) + b, and the normalisation an
    identity, so that its output is what it was. Returns the names of the convolutions, whose own
    outputs changed; none where the model's way cannot be followed.
    """
    modules = dict(model.named_modules())
    pairs = _pairs(model, modules)
    for conv_name, norm_name in pairs:
        conv, norm = modules[conv_name], modules[norm_name]
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        # Their tensors may be absent where this is none of their settings: torch takes that.
        found: Any = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *found)
        parent, _, own = norm_name.rpartition(".")
        setattr(model.get_submodule(parent), own, nn.Identity())
    return tuple(conv_name for conv_name, _ in pairs)


def _pairs(model: nn.Module, modules: dict[str, nn.Module]) -> list[tuple[str, str]]:
    """Convolutions and the normalisations that follow them, each run once, by name."""
    try:
        graph = fx.Tracer().trace(model)
    except _CANNOT_TRACE:
        return []
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = [modules[cast(str, node.target)] for node in calls]
    once = {id(module) for module in times if sum(module is other for other in times) == 1}
    return [
        (str(node.args[0].target), str(node.target))
        for node in calls
        if type(modules[str(node.target)]) is nn.BatchNorm2d
        and isinstance(node.args[0], fx.Node)
        and node.args[0].op == "call_module"
        and len(node.args[0].users) == 1
        and type(modules[str(node.args[0].target)]) is nn.Conv2d
        and {id(modules[str(node.target)]), id(modules[str(node.args[0].target)])} <= once
        and _has_statistics(modules[str(node.target)])
    ]


def _has_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, nn.BatchNorm2d) and isinstance(norm.running_mean, torch.Tensor)

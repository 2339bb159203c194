"""Folds batch normalisation into the convolution before it, as evaluation mode allows."""

from __future__ import annotations

from collections import Counter
from typing import Any

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
    runs = Counter(modules[str(node.target)] for node in calls)
    pairs = []
    for node in calls:
        before = next(iter(node.args), None)
        if not isinstance(before, fx.Node) or before not in calls or len(before.users) > 1:
            continue
        conv, norm = modules[str(before.target)], modules[str(node.target)]
        if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
            continue
        if runs[conv] == runs[norm] == 1 and norm.running_mean is not None:
            pairs.append((str(before.target), str(node.target)))
    return pairs
